"""Start LocalStack. Only the interpreter of ``.venv-localstack`` runs this file; nothing imports it.

Four things differ from ``python -m localstack.runtime.main``:

- LocalStack ends when its standard input is closed, so that it does not outlive the process that started it.
- An answer of the mock file that throws ``States.Timeout`` is a time-out of the task. Without this it is a ``States.Runtime``: the
  mocks take every error for one of a function's, and those must not begin with ``States.``.
- A definition is parsed once. Without this each execution parses it again, which takes half a second of a processor.
- An execution's change of status is no event: EventBridge does not run there, and each failed attempt to send one is slow.
"""

import functools
import os
import threading

from localstack.runtime.main import main
from localstack.services.stepfunctions.asl.component.common.timeouts.timeout import EvalTimeoutError
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task import mock_eval_utils
from localstack.services.stepfunctions.asl.parse.asl_parser import AmazonStateLanguageParser
from localstack.services.stepfunctions.asl.parse.preprocessor import Preprocessor
from localstack.services.stepfunctions.backend.execution import Execution

parse = AmazonStateLanguageParser.parse
throw = mock_eval_utils._eval_mocked_response_throw


@functools.cache
def parse_tree(definition):
    return parse(definition)[1]


def parse_once(definition):
    """Each execution has components of its own, made from the same tree."""
    tree = parse_tree(definition)
    return Preprocessor().visit(tree), tree


def throw_or_time_out(env, mocked_response):
    if mocked_response.error == "States.Timeout":
        raise EvalTimeoutError
    throw(env=env, mocked_response=mocked_response)


def send_no_event(execution):
    """Instead of PutEvents."""


def end_with_standard_input():
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    AmazonStateLanguageParser.parse = staticmethod(parse_once)
    mock_eval_utils._eval_mocked_response_throw = throw_or_time_out
    Execution.publish_execution_status_change_event = send_no_event
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    main()
