"""How the cluster test judges what came back for a pod, and reads which replica a connection leads to."""

from math import inf
from typing import Any

import pytest

from tests.node.kills import Kill, judge
from tests.node.table import table
from tools.node import flows
from tools.node.answers import Answer, Fate, between, summary
from tools.node.connections import Connection, parsed
from tools.node.flows import Flow
from tools.node.stream import Asked, Gate

DENIED = 'admission webhook "enforced.computegate.io" denied the request: [NotCleared] tenant a is not cleared'
AGAIN = 'admission webhook "enforced.computegate.io" denied the request: [TryAgain] the ledger is busy'
EOF_ = 'Internal error occurred: failed calling webhook "enforced.computegate.io": Post "https://computegate": EOF'


OVER = 'admission webhook "enforced.computegate.io" denied the request: exceeded quota: q, requested: g=9'


@pytest.mark.parametrize(
    ("wanted", "status", "message", "fate"),
    [
        ("", 201, "", Fate.Right),
        ("[NotCleared]", 403, DENIED, Fate.Right),
        ("[NotCleared]", 201, "", Fate.WronglyAdmitted),
        ("", 403, DENIED, Fate.Unexplained),
        ("", 403, AGAIN, Fate.TryAgain),
        ("[NotCleared]", 429, AGAIN, Fate.TryAgain),
        ("", 500, EOF_, Fate.Lost),
        ("[NotCleared]", 500, EOF_, Fate.Lost),
        ("", 0, "ClientConnectorError: refused", Fate.APIServer),
        ("", 504, "Timeout: request did not complete within the allotted timeout", Fate.APIServer),
        ("", 403, 'pods "x" is forbidden: not yet ready to handle request', Fate.APIServer),
        ("", 403, 'pods "x" is forbidden: exceeded quota', Fate.Unexplained),
        ("[NotCleared]", 403, 'pods "x" is forbidden: exceeded quota', Fate.Unexplained),
        (None, 201, "", Fate.Right),
        (None, 403, DENIED, Fate.Right),
        (None, 500, EOF_, Fate.Lost),
        ("exceeded quota", 403, OVER, Fate.Right),
        ("exceeded quota", 201, "", Fate.WronglyAdmitted),
        ("exceeded quota", 403, DENIED, Fate.Unexplained),
        ("", 404, "namespaces not found", Fate.Unexplained),
    ],
)
def test_every_answer_has_one_fate(wanted: str | None, status: int, message: str, fate: Fate) -> None:
    assert fate is Answer(0, 1, wanted, status, message).fate


@pytest.mark.parametrize(
    ("denial", "begun", "ended", "wanted"),
    [
        ("[NotCleared]", Gate.Open, Gate.Open, ""),
        ("[NotCleared]", Gate.Open, Gate.Turning, None),
        ("[NotCleared]", Gate.Turning, Gate.Turning, None),
        ("[NotCleared]", Gate.Turning, Gate.Closed, None),
        ("[NotCleared]", Gate.Closed, Gate.Closed, "[NotCleared]"),
        ("[NotCleared]", Gate.Closed, Gate.Turning, None),
        ("", Gate.Closed, Gate.Turning, ""),
        ("", Gate.Closed, Gate.Closed, ""),
    ],
)
def test_what_is_right_depends_on_the_gate_at_both_ends_of_a_request(
    denial: str, begun: Gate, ended: Gate, wanted: str | None
) -> None:
    assert wanted == Asked({}, denial).wanted(begun, ended)


def test_answers_are_counted_by_the_span_in_which_they_came() -> None:
    answers = [Answer(ended - 5, ended, "", 201, "") for ended in (0.5, 1.0, 1.5, 2.0)]
    assert summary(between(answers, 1.0, 2.0)) == "2 requests: 2 right"
    assert summary([]) == "0 requests: none"


def test_conntracks_lines_say_which_replica_a_connection_leads_to() -> None:
    listed = (
        "tcp      6 86389 ESTABLISHED src=10.123.0.1 dst=10.0.0.77 sport=40312 dport=443 "
        "src=10.244.0.9 dst=10.123.0.1 sport=8443 dport=40312 [ASSURED] mark=0 use=1\n"
        "tcp      6 100 TIME_WAIT src=10.123.0.1 dst=10.0.0.77 sport=40313 dport=443 "
        "src=10.244.0.8 dst=10.123.0.1 sport=8443 dport=40313 [ASSURED] mark=0 use=1\n"
        "udp      17 20 src=10.123.0.1 dst=10.0.0.77 sport=1 dport=53 src=10.244.0.8 dst=10.123.0.1 sport=53 dport=1\n"
    )
    expected = [Connection(40312, "10.244.0.9", "ESTABLISHED"), Connection(40313, "10.244.0.8", "TIME_WAIT")]
    assert expected == parsed(listed)


def event(at: float, event: str, state: str, port: int, replica: str) -> str:
    return (
        f"[{1000 + at:.6f}]\t [{event}] tcp      6 120 {state} src=10.123.0.1 dst=10.0.0.77 sport={port} dport=443 "
        f"[UNREPLIED] src={replica} dst=10.123.0.1 sport=8443 dport={port}"
    )


def test_conntracks_events_say_when_a_connection_was_opened_and_when_it_was_cut() -> None:
    told = [
        event(1, "NEW", "SYN_SENT", 1, "10.244.0.9"),
        event(1.5, "UPDATE", "ESTABLISHED", 1, "10.244.0.9"),
        event(2, "NEW", "SYN_SENT", 2, "10.244.0.8"),
        event(2.5, "UPDATE", "CLOSE", 2, "10.244.0.8"),
        event(3, "UPDATE", "FIN_WAIT", 1, "10.244.0.9"),
        event(3.5, "UPDATE", "TIME_WAIT", 1, "10.244.0.9"),
        event(4, "NEW", "SYN_SENT", 1, "10.244.0.8"),
        event(4, "NEW", "SYN_SENT", 5, "10.244.0.8").replace("10.0.0.77", "10.0.0.1"),
        "conntrack v1.4.7 (conntrack-tools): 8 flow events have been shown.",
    ]
    expected = [Flow(1, "10.244.0.9", 1, 3), Flow(2, "10.244.0.8", 2, 2.5), Flow(1, "10.244.0.8", 4, inf)]
    assert expected == flows.parsed(told, "10.0.0.77", 1000)


KILL = Kill(10.0, 10.5, "10.0.0.77", frozenset({"10.244.0.9"}), 14.0)
OPEN = [Flow(1, "10.244.0.9", 1, 10.1), Flow(2, "10.244.0.9", 2, 10.1), Flow(3, "10.244.0.8", 3, 10.1)]


def lost(begun: float, ended: float, end: str, status: int = 500) -> Answer:
    return Answer(begun, ended, "", status, f'failed calling webhook "enforced.computegate.io": {end}')


@pytest.mark.parametrize(
    ("answers", "further", "blamed"),
    [
        pytest.param([lost(9.9, 10.1, "EOF"), lost(9.8, 10.2, "EOF")], [], True, id="under way"),
        pytest.param([lost(9.9, 10.1, "EOF")] * 3, [], False, id="more than connections"),
        pytest.param([lost(10.9, 10.9, "connection refused")], [Flow(7, "10.244.0.9", 10.9, 10.9)], True, id="refused"),
        pytest.param([lost(13, 13.1, "connection refused")], [], False, id="after the last connection to it"),
        pytest.param([lost(13, 13.1, "EOF")], [Flow(7, "10.244.0.8", 13, 13.1)], False, id="asked of another"),
        pytest.param([lost(16, 16.1, "EOF")], [Flow(7, "10.244.0.9", 16, 16.1)], False, id="started anew"),
        pytest.param([lost(9, 10.1, "read tcp 10.123.0.1:2->10.0.0.77:443: EOF")], [], True, id="its port named"),
        pytest.param([lost(9, 10.1, "read tcp 10.123.0.1:3->10.0.0.77:443: EOF")], [], False, id="another's port"),
        pytest.param([lost(9, 9.5, "EOF")], [], False, id="over before the kill"),
        pytest.param([lost(9.9, 10.1, "x509: certificate has expired")], [], False, id="another reason"),
        pytest.param([lost(9.9, 10.1, "EOF", 0)], [], False, id="not refused"),
        pytest.param([], [], True, id="nothing"),
    ],
)
def test_what_was_lost_is_laid_to_a_kill_only_by_a_connection_to_what_was_killed(
    answers: list[Answer], further: list[Flow], blamed: bool
) -> None:
    said: Any = None
    try:
        said = judge(KILL, answers, [*OPEN, *further])
    except AssertionError as error:
        said = error
    assert blamed is isinstance(said, str), said


def test_two_that_could_share_a_connection_are_each_found_one() -> None:
    named = lost(9, 10.1, "write tcp 10.123.0.1:1->10.0.0.77:443: broken pipe")
    assert judge(KILL, [lost(9, 10.1, "EOF"), named], OPEN).startswith("2 lost (1 EOF, 1 broken pipe)")


def test_the_table_has_one_row_for_steps_that_are_numbered() -> None:
    right, cut = Answer(0, 1, "", 201, ""), lost(0, 1, "EOF")
    written = table({"rolling restart 1": [right] * 1000, "rolling restart 2": [right, cut], "upgrade": []})
    assert written.splitlines()[2:] == [
        "| rolling restart | 1,002 | 1,001 | 1 | 0 | 0 | 0 | 0 |",
        "| upgrade | 0 | 0 | 0 | 0 | 0 | 0 | 0 |",
    ]
