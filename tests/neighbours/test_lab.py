from neighbour_suite import *
IDENT = '''
import socket, pytest
def test_b():
    s = socket.socket()
    with pytest.raises(Exception, match="QS308"):
        s.connect(("quantum.cloud.ibm.com", 443))
    s.close()
def test_c():
    s = socket.socket()
    with pytest.raises(Exception, match="QS308"):
        s.connect(("quantum.cloud.ibm.com", 443))
    s.close()
'''
def test_fence_stays(suite):
    suite.holds(IDENT, ini="qsession_mode = replay")
    suite.beside("socket", *EMULATOR, "test_theirs.py").assert_outcomes(passed=2)

def test_ours_disabled_then_theirs(suite):
    suite.holds('''
import socket
def test_after():
    assert socket.getaddrinfo.__module__ != "pytest_socket", socket.getaddrinfo
    assert "GuardedSocket" not in str(socket.socket)
    assert socket.socket.connect.__module__ != "pytest_socket", socket.socket.connect
    socket.socket().close()
''', ours=OURS.replace("@pytest.mark.qsession\n", "@pytest.mark.qsession\n@pytest.mark.disable_socket\n"))
    suite.both_orders("socket", passed=3)

def test_ours_allow_then_theirs(suite):
    suite.holds('''
import socket
def test_after():
    assert "guarded_connect" not in str(socket.socket.connect), socket.socket.connect
''', ours=OURS.replace("@pytest.mark.qsession\n", "@pytest.mark.qsession\n@pytest.mark.allow_hosts(['127.0.0.1'])\n"))
    suite.both_orders("socket", passed=3)

def test_allow_in_run(suite):
    suite.holds('def test_a(): pass', ours='''
import socket, pytest
@pytest.mark.qsession
@pytest.mark.allow_hosts(['127.0.0.1', '192.0.2.7'])
def test_ours(qsession_run):
    s = socket.socket()
    with pytest.raises(Exception, match="QS303"):
        s.connect(("192.0.2.7", 443))
''')
    suite.beside("socket", *EMULATOR).assert_outcomes(passed=2)

def test_recording_block(suite):
    suite.holds('''
import socket, pytest
@pytest.mark.block_network(allowed_hosts=["quantum.cloud.*"])
def test_theirs():
    s = socket.socket()
    with pytest.raises(Exception, match="QS308"):
        s.connect(("quantum.cloud.ibm.com", 443))
def test_after():
    s = socket.socket()
    with pytest.raises(Exception, match="QS308"):
        s.connect(("quantum.cloud.ibm.com", 443))
''', ours='''
import socket, pytest
@pytest.mark.qsession
@pytest.mark.block_network(allowed_hosts=["192.0.2.7"])
def test_ours(qsession_run):
    s = socket.socket()
    with pytest.raises(Exception, match="QS3"):
        s.connect(("192.0.2.7", 443))
''')
    suite.beside("recording", *EMULATOR).assert_outcomes(passed=3)
