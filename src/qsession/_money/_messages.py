"""The guard's errors, each a whole message."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qsession.errors import BudgetError

_CLOSE = "qsession doctor --close"


def max_time_above(asked: float, left: float, budget: float, ledger: Sequence[str]) -> BudgetError:
    """QS601: a session may live longer than the budget reaches."""
    return BudgetError(
        "QS601",
        f"This session may run for {asked:g} s, more than the {left:g} s of QPU time that are left. "
        "Nothing was sent.",
        evidence=ledger,
        fix=_with_budget(asked - left + budget),
        intended="a session with a smaller max_time fits; one without max_time is stopped at the limit",
    )


def cost_above(
    asked: float, left: float, budget: float, ledger: Sequence[str], *, given: bool
) -> BudgetError:
    """QS602: a job may need more than is left."""
    counted = "asks for up to" if given else "gives no max_execution_time and is counted with"
    return BudgetError(
        "QS602",
        f"This job {counted} {asked:g} s, more than the {left:g} s of QPU time that are left. "
        "Nothing was sent.",
        evidence=ledger,
        fix=_with_budget(asked - left + budget),
        intended="a job with a smaller options.max_execution_time fits",
    )


def limit_reached(
    spent: float, budget: float, ledger: Sequence[str], still_open: Sequence[str]
) -> BudgetError:
    """QS603: the run may have used up its budget."""
    ending = "Its sessions were cancelled."
    if still_open:
        ending = "Not all of its sessions could be cancelled."
    fix = _with_budget(2 * max(budget, spent))
    return BudgetError(
        "QS603",
        f"This run may have used {spent:g} s of QPU time, its budget is {budget:g} s. {ending}",
        evidence=(*ledger, *still_open),
        fix=f"{_CLOSE}, then {fix}" if still_open else fix,
        intended="the budget is an upper bound on purpose; give the run a larger one",
    )


def not_cancelled(problems: Sequence[str], *, watched: bool) -> BudgetError:
    """QS604: sessions may still be open, and cost money."""
    net = " A watcher process goes on trying for about a minute." if watched else ""
    noun = "a session" if len(problems) == 1 else f"{len(problems)} sessions"
    return BudgetError(
        "QS604",
        f"Could not cancel {noun}, which may still cost QPU time.{net}",
        evidence=problems,
        fix=_CLOSE,
        intended="a session closes by itself at its max_time, counted from its first job",
    )


def no_watcher(reason: str) -> BudgetError:
    """QS605: nothing would cancel the session if this process were killed."""
    return BudgetError(
        "QS605",
        "The process that cancels sessions when this one is killed does not run, so none is left open.",
        evidence=[reason],
        fix="python -c 'import qsession, requests'",
    )


def no_notes(folder: Path, error: OSError) -> BudgetError:
    """QS606: open sessions cannot be noted."""
    return BudgetError(
        "QS606",
        "Open sessions cannot be noted on disk, so none is left open.",
        evidence=[f"{folder / 'open'}: {error.strerror or type(error).__name__}"],
        fix=f"make {folder} a folder that this user may write to",
    )


def unreadable_note(path: Path) -> BudgetError:
    """QS607: a note of an open session is damaged."""
    return BudgetError(
        "QS607",
        "The note of a session that may still be open cannot be read.",
        evidence=[f"the file's name without .json is the session's id: {path.name}"],
        fix=f"cancel that session on the service's workloads page, then delete {path}",
        where=str(path),
    )


def no_purse(folder: Path, error: OSError) -> BudgetError:
    """QS630: what is spent, or when, cannot be shared with other processes."""
    return BudgetError(
        "QS630",
        "What is submitted cannot be counted together with what other processes submit. Nothing was sent.",
        evidence=[f"{folder}: {error.strerror or type(error).__name__}"],
        fix=f"make {folder} a folder that this user may write to",
    )


def unreadable_share(path: Path) -> BudgetError:
    """QS631: what another process of this run spent cannot be read."""
    return BudgetError(
        "QS631",
        "What another worker of this run may have spent cannot be read, so nothing more is spent.",
        evidence=[f"{path.name} in {path.parent} is damaged"],
        fix=f"end this run of pytest, delete {path.parent}, and begin again",
        where=str(path),
    )


def _with_budget(seconds: float) -> str:
    return f"pytest --qsession-record --qsession-budget={-int(-seconds // 1)}"
