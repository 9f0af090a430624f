"""nutpie's compiled sampler without the Python package around it.

`import nutpie` imports ArviZ and with it Matplotlib and xarray: about ten seconds that sampling
does not need. The extension module `nutpie._lib` stands alone; it is loaded from where nutpie is
installed and registered under its own name, so a later `import nutpie` in the same process finds
and shares it. Nothing is sampled here.
"""

from __future__ import annotations

import sys
import threading
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType

_NAME = "nutpie._lib"
_LOCK = threading.Lock()


def nutpie_library() -> ModuleType:
    """Return the extension module `nutpie._lib`, loading it once per process.

    Raises
    ------
    ModuleNotFoundError
        If nutpie, or its extension module, is not installed.
    """
    with _LOCK:
        if _NAME in sys.modules:
            return sys.modules[_NAME]
        package = find_spec("nutpie")
        if package is None or package.submodule_search_locations is None:
            raise ModuleNotFoundError(
                "nutpie is not installed; install the project's dependencies", name="nutpie"
            )
        spec = PathFinder.find_spec(_NAME, list(package.submodule_search_locations))
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(
                f"nutpie is installed at {list(package.submodule_search_locations)} but has no "
                "extension module _lib; reinstall nutpie",
                name=_NAME,
            )
        module = module_from_spec(spec)
        sys.modules[_NAME] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[_NAME]
            raise
        return module
