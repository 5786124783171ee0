"""A hash of an object that is the same in every process: whether the policy of this call is that of an interrupted one.

Pickles will not do: the order of a set, and so its pickle, changes from process to process.
"""

import functools
import hashlib
import sys
import types
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from offctx.workers.sources import class_sources, is_installed, module_sources

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented))
_CACHED = type(functools.lru_cache(lambda: None))
_SLOTS = (types.GetSetDescriptorType, types.MemberDescriptorType)  # what Python adds to classes


class Unidentified(Exception):  # noqa: N818  # the caller then does without
    """An object holds something that has no content to compare, such as an open file."""


def identity(value: Any) -> str:
    """A hash of the content of an object, of its code as far as that is not installed, and of all that it refers to.

    Raises:
        Unidentified: it holds something without content, such as an open file, a lock or a compiled module.
    """
    try:
        return _Walk().hash(value).hex()
    except Unidentified:
        raise
    except Exception as error:  # whatever the reductions of others' classes raise
        raise Unidentified(f"{type(value).__name__}: {error}") from error


def identity_and_source(value: Any) -> list[str]:
    """The hash of an object by `identity`, and that of the files of its class and of what they import.

    Raises:
        Unidentified: as `identity`.
    """
    return [identity(value), class_sources(type(value))]


def settings_identity(value: Any, *, without: Collection[str] = ()) -> str:
    """A hash of the class of an object and of its attributes, but for what in them has no content.

    For objects that `identity` cannot tell in full, such as environments with a simulator. Of what has no content, at any
    depth, the type counts alone.

    Args:
        value: any object.
        without: names of attributes that do not count.
    """
    digest = hashlib.sha256(class_sources(type(value)).encode())
    parts = dict(getattr(value, "__dict__", {}))
    if type(value).__module__ == "__main__":  # has no file of its own
        parts[""] = type(value)
    for name, part in sorted(parts.items()):
        if name not in without:
            digest.update(f"{name}: {_Walk(opaque=True).hash(part).hex()}".encode())
    return digest.hexdigest()


class _Walk:
    """Goes through an object and what it refers to. An object that comes again counts by its first place.

    Args:
        opaque: of what has no content, the type counts; False: it raises an error, most often TypeError.
    """

    def __init__(self, *, opaque: bool = False) -> None:
        self._opaque = opaque
        self._places: dict[int, int] = {}
        self._kept: list[Any] = []  # what is visited must live on, so that no other object gets its id

    def hash(self, value: Any) -> bytes:
        if type(value) in _PLAIN:
            return _digest(type(value).__name__, repr(value))
        if id(value) in self._places:
            return _digest("again", str(self._places[id(value)]))
        self._places[id(value)] = len(self._places)
        self._kept.append(value)
        try:
            return _digest(type(value).__qualname__, self._content(value))
        except Exception:  # whatever the reductions of others' classes raise
            if not self._opaque:
                raise
            return _digest(type(value).__qualname__)

    def _all(self, *values: Any) -> bytes:
        return _digest(*map(self.hash, values))

    @functools.singledispatchmethod
    def _content(self, value: Any) -> bytes:
        """What pickle would write of an object, unless its type has a way of its own."""
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Tensor):
            plain = value.detach().cpu().contiguous()
            return _digest(f"{plain.dtype}{tuple(plain.shape)}", plain.flatten().view(torch.uint8).numpy().tobytes())
        reduced = value.__reduce_ex__(4)
        if isinstance(reduced, str):  # the name of a global
            if type(value).__module__ == "__main__":
                raise Unidentified(f"{reduced}, of which only the name is known")
            return _digest(type(value).__module__, reduced)
        function, arguments, *rest = reduced
        state, items, pairs = (*rest, None, None, None)[:3]
        return self._all(function, arguments, state, list(items or ()), list(pairs or ()))

    @_content.register(list)
    @_content.register(tuple)
    def _(self, value: Any) -> bytes:
        return self._all(*value)

    @_content.register
    def _(self, value: dict) -> bytes:  # type: ignore[type-arg]
        return self._all(*value, *value.values())

    @_content.register(set)
    @_content.register(frozenset)
    def _(self, value: Any) -> bytes:
        return _digest(*sorted(_Walk(opaque=self._opaque).hash(each) for each in value))

    @_content.register
    def _(self, value: np.ndarray) -> bytes:
        if value.dtype == object:
            return self.hash(value.tolist())
        return _digest(f"{value.dtype.str}{value.shape}", np.ascontiguousarray(value).tobytes())

    @_content.register
    def _(self, value: type) -> bytes:
        """By its name, and where it is not installed by its files and by all that its body holds."""
        name = f"{value.__module__}.{value.__qualname__}"
        if is_installed(value.__module__):
            return _digest(name)
        own = {key: part for key, part in vars(value).items() if _counts(key, part)}
        return _digest(name, module_sources(value.__module__), self._all(own, *value.__bases__))

    @_content.register(staticmethod)
    @_content.register(classmethod)
    def _(self, value: Any) -> bytes:
        return self.hash(value.__func__)

    @_content.register
    def _(self, value: property) -> bytes:
        return self._all(value.fget, value.fset, value.fdel)

    @_content.register
    def _(self, value: functools.cached_property) -> bytes:  # type: ignore[type-arg]
        return self.hash(value.func)

    @_content.register(_CACHED)
    def _(self, value: Any) -> bytes:
        return self.hash(value.__wrapped__)

    @_content.register
    def _(self, value: types.FunctionType) -> bytes:
        name = f"{value.__module__}.{value.__qualname__}"
        if is_installed(value.__module__):
            return _digest(name, self._all(value.__code__, value.__defaults__, value.__kwdefaults__, value.__closure__))
        parts = value.__code__, value.__defaults__, value.__kwdefaults__, value.__closure__, _used_globals(value)
        return _digest(name, module_sources(value.__module__), self._all(*parts))

    @_content.register
    def _(self, value: types.CodeType) -> bytes:
        return _digest(value.co_code, repr(value.co_names), repr(value.co_varnames), self._all(*value.co_consts))

    @_content.register
    def _(self, value: types.MethodType) -> bytes:
        return self._all(value.__func__, value.__self__)

    @_content.register
    def _(self, value: functools.partial) -> bytes:  # type: ignore[type-arg]
        return self._all(value.func, value.args, value.keywords)

    @_content.register
    def _(self, value: types.CellType) -> bytes:
        return self.hash(value.cell_contents)

    @_content.register
    def _(self, value: types.ModuleType) -> bytes:
        """By its name, and where it is not installed by its files."""
        return _digest(value.__name__, module_sources(value.__name__))

    @_content.register(types.MethodWrapperType)
    @_content.register(types.WrapperDescriptorType)
    @_content.register(np.ufunc)
    def _(self, value: Any) -> bytes:
        return _digest(value.__name__)

    @_content.register
    def _(self, value: types.BuiltinFunctionType) -> bytes:
        return _digest(value.__qualname__, self.hash(value.__self__))


def _counts(name: str, part: Any) -> bool:
    """Whether what the body of a class holds under a name is of its author, and not added by Python."""
    if isinstance(part, _SLOTS):
        return False
    by_python = name.startswith("__") or name == "_abc_impl"
    return not by_python or isinstance(part, (types.FunctionType, staticmethod, classmethod))


def _used_globals(function: types.FunctionType) -> Mapping[str, Any]:
    """The globals that a function, or a function within it, names."""
    names = sorted({name for code in _codes(function.__code__) for name in code.co_names})
    return {name: function.__globals__[name] for name in names if name in function.__globals__}


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _digest(*parts: str | bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.digest()
