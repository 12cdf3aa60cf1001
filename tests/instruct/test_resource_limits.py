"""Limits on the time and memory of a block, and chat templates that never end or grow without limit."""

import resource
import signal
import threading
import time

import pytest
from test_chat import SOURCES, TOKENIZER, example, item

from inversion.config.datasets import ChatTemplate
from inversion.instruct import chat
from inversion.instruct.resource_limits import ResourceLimitError, resource_limits
from inversion.instruct.templates import encode_example, encode_prompt
from inversion.instruct.tokens import TemplateError

CHATML = SOURCES["qwen2_5"]
SLOW = "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}"
"""A template that counts for minutes and writes nothing. The library's sandbox only stops ranges of 100,000 and
more."""
GROWING = (
    "{% set n = namespace(text='0123456789abcdef') %}"
    "{% for i in range(40) %}{% set n.text = n.text ~ n.text %}{% endfor %}"
)
"""A template that doubles a text forty times and writes nothing."""


def count():
    """Count forever."""
    while True:
        pass


def limits():
    return resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGVTALRM), signal.getitimer(1)


def test_a_block_within_its_limits_leaves_no_trace():
    before = limits()
    with resource_limits(5.0, 2**28):
        assert sum(range(1000)) == 499500
    assert limits() == before


def test_endless_computation_is_stopped():
    before = limits()
    with pytest.raises(ResourceLimitError, match=r"not done after 0\.2 seconds"), resource_limits(0.2, 2**28):
        count()
    assert limits() == before


def test_waiting_does_not_count_as_computation():
    with resource_limits(0.05, 2**28):
        time.sleep(0.2)


def test_unlimited_memory_growth_is_stopped():
    before = limits()
    with pytest.raises(ResourceLimitError, match="more than 128 MiB"), resource_limits(5.0, 2**27):
        bytearray(2**30)
    assert limits() == before


def test_other_threads_have_a_memory_limit_only():
    found = []

    def grow():
        try:
            with resource_limits(1.0, 2**27):
                found.append(signal.getitimer(1))
                bytearray(2**30)
        except ResourceLimitError as error:
            found.append(str(error))

    thread = threading.Thread(target=grow)
    thread.start()
    thread.join()
    assert found == [(0.0, 0.0), "it needs more than 128 MiB of memory"]


@pytest.fixture
def tight(monkeypatch):
    """Limits that are reached immediately."""
    monkeypatch.setattr(chat, "SECONDS", 0.3)
    monkeypatch.setattr(chat, "MEMORY", 2**28)


@pytest.mark.parametrize(
    ("part", "line"),
    [(SLOW, r"does not end: it was not done after 0\.3 seconds; correct its loops"), (GROWING, "more than 256 MiB")],
    ids=["loops", "grows"],
)
def test_an_endless_template_is_refused(tight, part, line):
    before = limits()
    for encode in (
        lambda source: encode_example(TOKENIZER, ChatTemplate(text=source), example("Who?", "Ada")),
        lambda source: encode_prompt(TOKENIZER, ChatTemplate(text=source), item()),
    ):
        with pytest.raises(TemplateError, match=line):
            encode(part + CHATML)
    assert limits() == before


def test_a_template_that_writes_too_much_is_refused():
    long = "{% for i in range(90000) %}0123456789abcdef{% endfor %}" + CHATML  # 1.44 million characters
    with pytest.raises(TemplateError, match=r"writes 14\d+ characters around \d+ of the conversation; correct its"):
        encode_example(TOKENIZER, ChatTemplate(text=long), example("Who?", "Ada"))
