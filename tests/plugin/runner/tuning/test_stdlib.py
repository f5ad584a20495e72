"""Tests of `miniwdl_aws.runner.tuning.stdlib`, in processes of their own."""

import subprocess
import sys

PUT_OFF = """
from miniwdl_aws.runner.tuning.substitutes import tune
assert "WDL.StdLib.Base.__init__" in tune(), tune()
import copy
import WDL
from WDL import StdLib, Value, Type
"""

SAME = """
for version in ("draft-2", "1.0", "1.1", "1.2", "development"):
    lib = StdLib.Base(version, "/tmp")
    assert "floor" not in vars(lib)
    assert lib.floor
    eager = StdLib.Base(version, "/tmp")
    StdLib.Base.__init__.__wrapped__(eager, version, "/tmp")
    eager.__dict__.pop("_put_off", None)
    assert vars(lib).keys() == vars(eager).keys(), set(vars(lib)) ^ set(vars(eager))
    assert lib._write_dir == "/tmp" and lib.wdl_version == version
"""

EVALUATED = """
def value(text, version="1.1"):
    expression = WDL.parse_expr(text, version=version)
    lib = StdLib.Base(version, "/tmp")
    expression.infer_type(WDL.Env.Bindings(), lib)
    return expression.eval(WDL.Env.Bindings(), lib).json

assert value("floor(2.7) + 1") == 3
assert value('sub("abc", "b", "d")') == "adc"
assert value('"x~{1 + 1}y"') == "x2y"
assert value('min(1, 2)') == 1
try:
    value("minimum(1, 2)")
except WDL.Error.NoSuchFunction:
    pass
else:
    raise AssertionError("there is no such function")
"""

SUBCLASS = """
class Own(StdLib.Base):
    def __init__(self):
        super().__init__("1.0")
        self.size = "its own"

lib = Own()
assert lib.size == "its own"
assert lib.floor and lib.size == "its own"
context = lib.eval_context
assert Own().eval_context is not context
assert not hasattr(Own(), "no_such") and not hasattr(lib, "no_such")
put_off = Own()
assert copy.copy(put_off).size == "its own"
assert "floor" not in vars(put_off)
"""


def run(code: str) -> None:
    """Run code in a process in which miniwdl is tuned."""
    done = subprocess.run(
        [sys.executable, "-c", PUT_OFF + code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_all_functions_are_there_once_one_is_needed() -> None:
    """Of each version of WDL as many as miniwdl makes at once."""
    run(SAME)


def test_expressions_are_evaluated_as_ever() -> None:
    """With functions, operators and placeholders; one that is unknown is said to be."""
    run(EVALUATED)


def test_what_a_subclass_has_set_stays() -> None:
    """So does miniwdl: functions that only tasks have, or have otherwise."""
    run(SUBCLASS)
