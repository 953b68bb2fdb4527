"""Values in shell scripts: `{{ x }}` becomes a reference, and never code.

`weave` (at compile time) finds out in which context each place of a script stands and
writes a reference to an environment variable that is quoted for it, or refuses the place
and names the way out. `fill` (when a step starts) makes the variables. `interpreter` says
which program runs a script.

A value reaches the shell only by its environment. A shell does not read the result of an
expansion as code again, whatever it holds, except in a few known contexts: arithmetic,
subscripts, `eval` and its kin, a second shell. Keeping values out of these is what makes
the promise; writing the quotes right is what lets them arrive unchanged.

Knows nothing of Tide's syntax: it gets the texts and the places between them.
"""

from tidelang.shell.fill import Filled, FillError, called, check_argv, check_environment, fill
from tidelang.shell.interpreter import Interpreter, interpreter
from tidelang.shell.parts import Filter, Insert, Refusal, Shape, Shell, Woven
from tidelang.shell.weave import weave

__all__ = [
    "FillError",
    "Filled",
    "Filter",
    "Insert",
    "Interpreter",
    "Refusal",
    "Shape",
    "Shell",
    "Woven",
    "called",
    "check_argv",
    "check_environment",
    "fill",
    "interpreter",
    "weave",
]
