"""Questions that do not wait for each other's answers, asked at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ansible_collections.gpulab.core.plugins.module_utils.ec2_calls import Stop


def ask(questions):
    """Return ({name: what its function returned}, {name: the Stop that it raised}); questions: {name: function}.

    boto3's clients may be used by many threads at once, but have to be made by one. Other exceptions are raised here.
    """
    answers, refusals = {}, {}
    with ThreadPoolExecutor(max_workers=max(1, len(questions))) as pool:
        asked = {name: pool.submit(question) for name, question in questions.items()}
    for name, one in asked.items():
        try:
            answers[name] = one.result()
        except Stop as stop:
            refusals[name] = stop
    return answers, refusals


def ask_all(questions):
    """Return {name: what its function returned}; raise the first Stop of any."""
    answers, refusals = ask(questions)
    for stop in refusals.values():
        raise stop
    return answers
