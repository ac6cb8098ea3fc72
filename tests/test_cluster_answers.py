"""How the cluster test judges what came back for a pod, and reads which replica a connection leads to."""

import pytest

from tools.node.answers import Answer, Fate, between, summary
from tools.node.connections import Connection, parsed

DENIED = 'admission webhook "enforced.computegate.io" denied the request: [NotCleared] tenant a is not cleared'
AGAIN = 'admission webhook "enforced.computegate.io" denied the request: [TryAgain] the ledger is busy'
EOF_ = 'Internal error occurred: failed calling webhook "enforced.computegate.io": Post "https://computegate": EOF'


@pytest.mark.parametrize(
    ("admissible", "status", "message", "fate"),
    [
        (True, 201, "", Fate.Right),
        (False, 403, DENIED, Fate.Right),
        (False, 201, "", Fate.WronglyAdmitted),
        (True, 403, DENIED, Fate.Unexplained),
        (True, 403, AGAIN, Fate.TryAgain),
        (False, 429, AGAIN, Fate.TryAgain),
        (True, 500, EOF_, Fate.Lost),
        (False, 500, EOF_, Fate.Lost),
        (True, 0, "ClientConnectorError: refused", Fate.APIServer),
        (True, 504, "Timeout: request did not complete within the allotted timeout", Fate.APIServer),
        (True, 403, 'pods "x" is forbidden: not yet ready to handle request', Fate.APIServer),
        (True, 403, 'pods "x" is forbidden: exceeded quota', Fate.Unexplained),
        (False, 403, 'pods "x" is forbidden: exceeded quota', Fate.Unexplained),
        (True, 404, "namespaces not found", Fate.Unexplained),
    ],
)
def test_every_answer_has_one_fate(admissible: bool, status: int, message: str, fate: Fate) -> None:
    assert fate is Answer(0, 1, admissible, status, message).fate


def test_answers_are_counted_by_the_span_in_which_they_came() -> None:
    answers = [Answer(ended - 5, ended, True, 201, "") for ended in (0.5, 1.0, 1.5, 2.0)]
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
