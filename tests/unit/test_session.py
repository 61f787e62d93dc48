"""Drop-in Session and Batch."""

import pytest
import qiskit_ibm_runtime

import qsession
from qsession.emulator import Emulator, Instance
from qsession.errors import UsageError
from qsession.session import open_session

CRN = "crn:v1:bluemix:public:quantum-computing:us-east:a/00000000000000000000000000000000:fake::"


def test_classes_are_the_clients_own_and_keep_their_names():
    """from_id of the client decides by the name of the class."""
    assert issubclass(qsession.Session, qiskit_ibm_runtime.Session)
    assert issubclass(qsession.Batch, qiskit_ibm_runtime.Batch)
    assert (qsession.Session.__name__, qsession.Batch.__name__) == ("Session", "Batch")


def test_session_is_found_again_by_its_id(tmp_path):
    """from_id gives one of ours, with everything the client's has."""
    with qsession.record(tmp_path / "a.yaml", target="emulator") as run:
        service = run.service()
        session = qsession.Session(backend=service.backend("ibm_fez"), max_time="2h 30m 40s")
        again = qsession.Session.from_id(session.session_id, service)
        assert type(again) is qsession.Session
        assert again.details()["max_time"] == 9040
        assert not session.ended
        session.cancel()
        assert session.ended
        assert session.status() == "Closed"


def test_session_with_a_wrong_max_time_is_a_value_error(tmp_path):
    """The client's own exceptions."""
    with qsession.record(tmp_path / "a.yaml", target="emulator") as run:
        backend = run.service().backend("ibm_fez")
        with pytest.raises(Exception, match="Invalid max_time value"):
            qsession.Session(backend=backend, max_time="tomorrow")


def test_open_plan_refusal_names_the_batch(tmp_path):
    """What everybody on the Open plan meets first."""
    emulator = Emulator(instances=[Instance(crn=CRN, name="open-one", plan="open", pricing_type="free")])
    with qsession.record(tmp_path / "a.yaml", target="emulator", emulator=emulator) as run:
        backend = run.service().backend("ibm_fez")
        with pytest.raises(UsageError) as caught:
            open_session(backend, mode="dedicated", max_time=None, where="test_x.py::test_x")
        batch = open_session(backend, mode="batch", max_time=None, where="")
        batch.close()
    assert str(caught.value) == (
        "The service opens no session on the Open plan. [QS116]\n"
        "  its answer has code 1352\n"
        'To fix: @pytest.mark.qsession(mode="batch")\n'
        "If this is intended: use an instance of another plan: --qsession-instance=NAME\n"
        "Where: test_x.py::test_x"
    )
