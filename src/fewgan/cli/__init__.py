"""The command line: parse, call the API, print. No logic lives here.

Nothing at the top of these files imports torch, so that help and errors of spelling come at once.
"""

import sys
from collections.abc import Sequence

from cyclopts import CycloptsError
from pydantic import ValidationError

from fewgan.cli import data, figures, pictures, train
from fewgan.cli.base import app
from fewgan.errors import FewganError, InputError, invalid

__all__ = ["app", "data", "figures", "main", "pictures", "train"]


def main(tokens: Sequence[str] | None = None) -> int:
    """Run one command; return 0 done, 1 failed, 2 bad input, 130 interrupted."""
    try:
        app(sys.argv[1:] if tokens is None else list(tokens))
    except (InputError, CycloptsError) as error:
        return _complain(_one_line(error), 2)
    except FewganError as error:
        return _complain(str(error), 1)
    except KeyboardInterrupt as error:
        return _complain(str(error) or "interrupted", 130)
    except BrokenPipeError:
        return 1
    except OSError as error:
        place = error.filename or "the output"
        return _complain(f"{place}: {error.strerror}; check the path, the space and the rights", 2)
    return 0


def _one_line(error: InputError | CycloptsError) -> str:
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        return str(invalid(cause))
    return " ".join(str(error).split())


def _complain(message: str, code: int) -> int:
    print(f"fewgan: {message}", file=sys.stderr)
    return code
