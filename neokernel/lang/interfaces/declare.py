"""What a program declares at its top level: what it uses, what it provides, how it is configured.

    log: Uses[Log] = uses()                 log: Log = Log(FIRST_DECLARED + 0)
    line: Uses[Interrupt] = uses()     ──►  line: Interrupt = Interrupt(FIRST_DECLARED + 1)
    echo: Provides[Echo] = provides()       echo: _nki_server_Echo = _nki_server_Echo(FIRST_DECLARED + 2)
    level: Setting[u8] = setting(3)         level: _nki_setting_u8 = _nki_setting_u8(0, 3)

Slots are given in the order of declaration, and settings are counted for themselves. Of several `Provides`, each also
has its number among them, from 1 on (`_nki_server_Echo(FIRST_DECLARED + 2, 1)`): its `serve` answers nobody else's
calls. So the program's code doesn't depend on the system that it becomes part of; the list goes into its ELF file, and
the build holds it against the system file. What is `uses(optional=True)` has its slot, too, where nothing is granted.
Within functions, `log: Uses[Log] = uses(slot)` is a view of a capability that came from elsewhere.

Invariant: only a program's own module declares: its libraries are handed what they use.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from neokernel.lang.interfaces.generate import (
    PREFIX,
    Function,
    Types,
    decode,
    poster_name,
    relocate,
    server_name,
    taker_name,
)
from neokernel.lang.interfaces.model import (
    FLOATS,
    INTEGERS,
    LANGUAGE,
    POST_WORDS,
    VOCABULARY,
    Bytes,
    Enumeration,
    Lent,
    Names,
    Number,
    Problem,
    Reader,
)
from neokernel.lang.trees import copied, walk

#: where the classes of kernel objects are that a program may use
OBJECTS = "neokernel.runtime.objects"
#: of what is lent: a page, a large one, the largest region of pages, and of large ones (a test holds them to
#: `runtime/lend.py`)
PAGE_SIZE, LARGE_SIZE, MOST_LENT_IN_PAGES, MOST_LENT = 4096, 2 << 20, 1 << 18, 64 << 20
KEYWORDS = {"Uses": "uses", "Provides": "provides", "Setting": "setting", "Posts": "posts", "Takes": "takes"}
#: what only functions make, of memory that is lent
RINGS = ("posts", "takes")
_FORMS = (
    "`name: Uses[I] = uses()`, `name: Provides[I] = provides()` or `name: Setting[T] = setting(default)` at the top "
    "level of a program; in a function `name: Uses[I] = uses(slot)`"
)


@dataclass(frozen=True, slots=True)
class Declaration:
    """One of them. `version` is that of an interface's contract; of a kernel object it is 0."""

    kind: Literal["uses", "provides", "setting"]
    name: str
    #: the class or type, and the module that it is from; '' if it is the language's
    type: str
    module: str
    version: int
    #: bytes of memory that the client lends
    lend: int
    #: of a setting
    default: int | float | bool | str
    #: of a setting that is an Enum: its members
    members: tuple[tuple[str, int], ...]
    node: ast.AnnAssign
    #: may a system file leave it out?
    optional: bool = False


class Told(Problem):
    """A name isn't, or can't be, imported: that is said where the import stands, or should."""

    def __init__(self, node: ast.AST) -> None:
        super().__init__("", "", node, "")


class Declarer(ast.NodeTransformer):
    """Rewrites a module's declarations, and the types `Uses[I]` and `Provides[I]` wherever they stand."""

    def __init__(self, names: Names, types: Types, report: Callable[[Problem], None]) -> None:
        self.names = names
        self.types = types
        self.report = report
        self.found: list[Declaration] = []
        #: what the module must import, and the classes of its settings
        self.imports: dict[str, None] = {}
        self.settings: dict[str, str] = {}
        self.depth = 0
        self.rings = 0

    def module(self, body: list[ast.stmt]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for node in body:
            try:
                made.append(self.visit(copied(node)))
            except Problem as problem:
                if not isinstance(problem, Told):
                    self.report(problem)
                made += [broken(name, node) for name in bound(node)]
        return made

    def keyword(self, node: ast.expr | None, words: dict[str, str]) -> str:
        word = self.names.word(node.func) if isinstance(node, ast.Call) else ""
        return word if word in words.values() else ""

    def visit_FunctionDef(self, node: Function) -> Function:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1
        return node

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - the visitor's convention

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign | list[ast.stmt]:
        keyword = self.keyword(node.value, KEYWORDS)
        annotated = self.names.word(node.annotation.value) if isinstance(node.annotation, ast.Subscript) else ""
        if not keyword and annotated != "Setting":
            self.generic_visit(node)
            return node
        if keyword and isinstance(node.annotation, ast.Subscript):
            self.imported(node.annotation.value)
            self.misspelt(node.annotation.value, keyword)
        if KEYWORDS.get(annotated) != keyword or not isinstance(node.target, ast.Name):
            raise Problem("NK0725", "this declares nothing", node, f"write {_FORMS}")
        assert isinstance(node.value, ast.Call)
        assert isinstance(node.annotation, ast.Subscript)
        if keyword in RINGS:
            return self.ring(node, node.annotation, node.value, keyword)
        if self.depth:
            return self.inside(node, node.annotation, node.value, keyword)
        if not self.is_program():
            message = f"`{node.target.id}` is declared in a module that is no program"
            help = "only the module with `main(process: Process)` declares: pass its libraries what they use"
            raise Problem("NK0725", message, node, help)
        if keyword == "setting":
            return self.setting(node, node.target.id, node.annotation, node.value)
        options = {item.arg: item.value for item in node.value.keywords}
        if node.value.args or options.keys() - ({"lend", "optional"} if keyword == "uses" else set()):
            help = "leave it out: the slot follows from the order of the declarations"
            raise Problem("NK0725", f"`{keyword}` of a declaration has no such argument", node.value, help)
        type_, module, version = self.declared(node.annotation)
        lend = self.lent(node, node.annotation, options.get("lend")) if keyword == "uses" else 0
        slot = sum(item.kind != "setting" for item in self.found)
        optional = self.flag(options.get("optional"))
        self.found.append(
            Declaration(KEYWORDS[annotated], node.target.id, type_, module, version, lend, 0, (), node, optional)  # type: ignore[arg-type]
        )
        arguments = [f"{PREFIX}_FIRST_DECLARED + {slot}"]
        if keyword == "provides" and self.provides_several():
            arguments.append(str(sum(item.kind == "provides" for item in self.found)))
        return self.constant(node, self.visit_Subscript(node.annotation), *arguments)

    def provides_several(self) -> bool:
        """Then calls of all of them arrive at one endpoint, and each `serve` refuses those of the others."""
        declared = [node.value for node in self.names.tree.body if isinstance(node, ast.AnnAssign)]
        return sum(self.keyword(value, KEYWORDS) == "provides" for value in declared) > 1

    @staticmethod
    def flag(node: ast.expr | None) -> bool:
        """What `optional` says."""
        if node is None:
            return False
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            return node.value
        message = "whether a grant is optional is said by the declaration itself"
        raise Problem("NK0725", message, node, "write `uses(optional=True)`, or leave it out")

    def lent(self, node: ast.AnnAssign, annotation: ast.Subscript, size: ast.expr | None) -> int:
        """How many bytes the client lends this server."""
        assert isinstance(annotation.slice, ast.Name)
        where, _, found = self.names.follow(annotation.slice.id)
        takes = ""
        if isinstance(found, ast.ClassDef) and where.decorated(found) == "interface":
            with contextlib.suppress(Problem):
                methods = Reader(where).contract(found).methods
                takes = next((method.name for method in methods if method.of(Lent)), "")
        if size is None and not takes:
            return 0
        number = Reader(self.names).number(size, self.names, size) if size is not None else 0
        each = PAGE_SIZE if number <= MOST_LENT_IN_PAGES else LARGE_SIZE
        if not takes or number % each or not 0 < number <= MOST_LENT:
            shown = ast.unparse(annotation.slice)
            message = f"how much memory is `{shown}` lent?" if takes else f"`{shown}` isn't lent memory"
            help = "write `uses(lend=4096)`: whole pages, up to 256 KiB; or `uses(lend=2 << 20)`: a multiple of 2 MiB, "
            help = f"{help}up to 64 MiB" if takes else "leave `lend` out"
            if size is None:
                help = f"its `{takes}` takes a `Lent`, and who may call that lends, even who never does: {help}"
            raise Problem("NK0725", message, size or node, help)
        return number

    def inside(self, node: ast.AnnAssign, annotation: ast.Subscript, call: ast.Call, keyword: str) -> ast.AnnAssign:
        """A view of a capability, in a function."""
        if keyword == "setting" or len(call.args) != 1 or call.keywords:
            raise Problem("NK0725", f"`{keyword}` can't stand here so", node, f"write {_FORMS}")
        node.annotation = self.visit_Subscript(annotation)
        call.func = copied(node.annotation)
        self.generic_visit(call)
        return node

    def ring(self, node: ast.AnnAssign, annotation: ast.Subscript, call: ast.Call, keyword: str) -> list[ast.stmt]:
        """One end of a ring, in a function."""
        if not self.depth or len(call.args) != 2 or call.keywords:
            help = "in a function, `name: Posts[I] = posts(part, wake)` or `name: Takes[I] = takes(part, wake)`"
            raise Problem("NK0725", f"`{keyword}` can't stand here so", node, help)
        self.rings += 1
        memory = f"{PREFIX}_memory_{self.rings}"
        class_ = self.visit_Subscript(annotation)
        own, peer, role, end = (0, 1, "PRODUCER", "out") if keyword == "posts" else (1, 0, "CONSUMER", "in")
        text = (
            f"{PREFIX}_post.{end.capitalize()}box(memory={memory}, wake=0, ring={PREFIX}_Ring("
            f"role={PREFIX}_Role.{role}, own={PREFIX}_post.line_of({memory}, {own}), "
            f"peer={PREFIX}_post.line_of({memory}, {peer}), slots={PREFIX}_post.slots_of({memory})))"
        )
        made = ast.parse(text, mode="eval").body
        for part in walk(made):
            ast.copy_location(part, call)
        assert isinstance(made, ast.Call)
        made.keywords[1].value = self.visit(call.args[1])
        first = ast.copy_location(ast.Assign([ast.Name(memory, ast.Store())], self.visit(call.args[0])), node)
        ast.copy_location(first.targets[0], node)
        keywords = [ast.copy_location(ast.keyword(f"{end}box", made), call)]
        node.annotation, node.value = class_, ast.copy_location(ast.Call(copied(class_), [], keywords), call)
        return [first, node]

    def visit_Call(self, node: ast.Call) -> ast.expr:
        for word, field in (("slot_of", "slot"), ("outbox_of", "outbox")):
            if self.names.word(node.func) == word and len(node.args) == 1 and not node.keywords:
                return ast.copy_location(ast.Attribute(self.visit(node.args[0]), field, ast.Load()), node)
        keyword = self.keyword(node, KEYWORDS)
        if keyword:
            raise Problem("NK0725", f"`{keyword}` can't stand here", node, f"write {_FORMS}")
        self.generic_visit(node)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        word = self.names.word(node.value)
        if word == "Uses":
            self.declared(node)
            return node.slice
        if word == "Provides":
            name, module, _ = self.declared(node)
            if self.is_undefined(node.slice):
                return node.slice
            if module != self.names.module:
                self.imports[f"from {module} import {server_name(name)}"] = None
            return ast.copy_location(ast.Name(server_name(name), ast.Load()), node)
        if word in ("Posts", "Takes"):
            self.posted(node)
            name, module, _ = self.declared(node)
            if self.is_undefined(node.slice):
                return node.slice
            class_ = poster_name(name) if word == "Posts" else taker_name(name)
            if module != self.names.module:
                self.imports[f"from {module} import {class_}"] = None
            return ast.copy_location(ast.Name(class_, ast.Load()), node)
        if word == "Setting":
            raise Problem("NK0725", "`Setting` can't stand here", node, f"write {_FORMS}")
        self.generic_visit(node)
        return node

    def declared(self, node: ast.Subscript) -> tuple[str, str, int]:
        """What `Uses[I]` or `Provides[I]` is about: class, module, version.

        A name that nobody has defined stands for itself: the compiler says so, as of any other.
        """
        if isinstance(node.slice, ast.Name):
            if self.is_undefined(node.slice):
                return node.slice.id, self.names.module, 0
            where, name, found = self.names.follow(node.slice.id)
            if isinstance(found, ast.ClassDef) and where.decorated(found) == "interface":
                return name, where.module, self.version(where, found)
            if where.module == OBJECTS and isinstance(found, ast.ClassDef) and self.names.word(node.value) == "Uses":
                return name, where.module, 0
            if (
                isinstance(found, ast.ClassDef)
                and "interface" not in where.table
                and any(isinstance(each, ast.Name) and each.id == "interface" for each in found.decorator_list)
            ):
                raise Told(node)  # that the word isn't imported is said there
            if (
                found is None
                and isinstance(self.names.table.get(node.slice.id), ast.ImportFrom)
                and where.module not in VOCABULARY
            ):
                raise Told(node)
        self.named_directly(node.slice)
        message = f"`{ast.unparse(node.slice)}` is no interface"
        help = f"an interface is made by `@interface`; kernel objects that can be used are classes of `{OBJECTS}`"
        raise Problem("NK0726", message, node, help)

    def named_directly(self, node: ast.expr) -> None:
        """Refuse `module.Class`."""
        help = self.names.without_module(node)
        if help:
            message = f"`{ast.unparse(node)}`: what is declared is named without its module"
            raise Problem("NK0726", message, node, help)

    def imported(self, node: ast.expr) -> None:
        """Is the word `Uses` or `Provides` imported? If it was misspelt there, that is said there."""
        if self.is_undefined(node) and isinstance(node, ast.Name) and node.id in KEYWORDS:
            imports = [each for each in self.names.table.values() if isinstance(each, ast.ImportFrom)]
            known = [alias.name for each in imports if each.module == LANGUAGE for alias in each.names]
            if difflib.get_close_matches(
                node.id, [name for name in known if name not in {*KEYWORDS, *KEYWORDS.values()}], cutoff=0.7
            ):
                raise Told(node)
            message, help = f"`{node.id}` is not defined", f"write `from {LANGUAGE} import {node.id}`"
            raise Problem("NK0208", message, node, help)

    def misspelt(self, node: ast.expr, keyword: str) -> None:
        """Is the word before a keyword one that nobody has defined, as `Setings[u8] = setting(1)`?"""
        word = next((word for word, made_by in KEYWORDS.items() if made_by == keyword), "")
        if self.is_undefined(node) and isinstance(node, ast.Name) and node.id not in KEYWORDS and word:
            raise Problem("NK0208", f"`{node.id}` is not defined", node, f"did you mean `{word}`?")

    def is_undefined(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id not in self.names.table and not self.names.word(node)

    def posted(self, node: ast.Subscript) -> None:
        """Can all of the interface's messages go into a ring?"""
        wrong: str | None = None
        if isinstance(node.slice, ast.Name):
            where, _, found = self.names.follow(node.slice.id)
            if isinstance(found, ast.ClassDef) and where.decorated(found) == "interface":
                with contextlib.suppress(Problem):
                    methods = Reader(where).contract(found).methods
                    wrong = next((method.name for method in methods if not method.is_posted), None)
        if wrong is not None:
            message = f"`{ast.unparse(node.slice)}` can't be posted, because of `{wrong}`"
            help = f"all its methods give `None | Failure`, and take {POST_WORDS} numbers at most, or `Lent`"
            raise Problem("NK0728", message, node, help)

    @staticmethod
    def version(names: Names, node: ast.ClassDef) -> int:
        """The version of an interface: what is wrong with it is said where it stands."""
        try:
            return Reader(names).contract(node).version
        except Problem:
            return 0

    def is_program(self) -> bool:
        main = self.names.table.get("main")
        if not isinstance(main, ast.FunctionDef) or not main.args.args:
            return False
        annotation = main.args.args[0].annotation
        return annotation is not None and ast.unparse(annotation).strip("'\"").rpartition(".")[2] == "Process"

    # --- settings -----------------------------------------------------------------------------------------------------

    def setting(self, node: ast.AnnAssign, name: str, annotation: ast.Subscript, call: ast.Call) -> ast.AnnAssign:
        reader = Reader(self.names)
        word = self.names.word(annotation.slice)
        kind = Bytes(0, word == "str") if word in ("str", "bytes") else reader.simple(annotation.slice, self.names)
        self.named_directly(annotation.slice)
        if not isinstance(kind, Number | Enumeration | Bytes) or not (len(call.args) == 1 and not call.keywords):
            help = "write `name: Setting[T] = setting(default)`, `T` being an integer, a float, `bool`, an Enum, `str`"
            raise Problem("NK0727", f"`{name}` isn't declared as a setting is", node, f"{help} or `bytes`")
        default = self.default(kind, call.args[0], reader)
        number = sum(item.kind == "setting" for item in self.found)
        members = kind.members if isinstance(kind, Enumeration) else ()
        module = kind.module if isinstance(kind, Enumeration) else ""
        shown = kind.name if isinstance(kind, Number | Enumeration) else word
        self.found.append(Declaration("setting", name, shown, module, 0, 0, default, members, node))
        class_ = f"{PREFIX}_setting_{ast.unparse(annotation.slice)}"
        self.settings.setdefault(class_, self.setting_class(class_, kind, ast.unparse(annotation.slice)))
        target = ast.copy_location(ast.Name(class_, ast.Load()), annotation)
        return self.constant(node, target, str(number), call.args[0])

    def default(self, kind: Number | Enumeration | Bytes, node: ast.expr, reader: Reader) -> int | float | bool | str:
        """The default, as the build shows and checks it."""
        match kind, node:
            case Bytes(text=True), ast.Constant(value=str() as text):
                return text
            case Bytes(text=False), ast.Constant(value=bytes() as data):
                return data.hex()
            case Number("bool"), ast.Constant(value=bool() as flag):
                return flag
            case Number(name), _ if name in FLOATS:
                sign, inner = (-1, node.operand) if isinstance(node, ast.UnaryOp) else (1, node)
                if isinstance(inner, ast.Constant) and isinstance(inner.value, float):
                    return sign * inner.value
            case Number(name), _ if name in INTEGERS:
                bits, signed = INTEGERS[name]
                negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
                inner = node.operand if isinstance(node, ast.UnaryOp) else node
                number = reader.number(inner, self.names, node) * (-1 if negative else 1)
                if -(1 << bits - 1 if signed else 0) <= number < 1 << bits - signed:
                    return number
            case Enumeration(name=name, members=members), ast.Attribute(attr=member):
                found = dict(members).get(member)
                if (
                    found is not None
                    and isinstance(node.value, ast.Name)
                    and self.names.follow(node.value.id)[1] == name
                ):
                    return found
        wanted = kind.name if isinstance(kind, Number | Enumeration) else "str" if kind.text else "bytes"
        message = f"`{ast.unparse(node)}` is no default for `{wanted}`"
        raise Problem("NK0727", message, node, "write a literal of that type, a constant of the module, or a member")

    def setting_class(self, name: str, kind: Number | Enumeration | Bytes, shown: str) -> str:
        """What reads a setting: what the system's builder has checked is checked again, as memory is only memory."""
        if isinstance(kind, Bytes):
            test = f"{PREFIX}_is_utf8(found)" if kind.text else "True"
            value = f"{PREFIX}_text_of(found)" if kind.text else "found"
            body = f"found = {PREFIX}.configured_text(process, self.index)\n        if found is None or not {test}:"
        else:
            tests: list[str] = []
            value = decode(kind, _Found(), tests, self.types)
            test = " and ".join(tests) or "True"
            body = f"found = {PREFIX}.configured(process, self.index)\n        if found is None or not ({test}):"
        body = body.replace(" or not True:", ":").replace(" or not (True):", ":")
        return f"""
@{PREFIX}_value
class {name}:
    index: {PREFIX}_u64
    default: {shown}

    def get(self, process: {PREFIX}_Process) -> {shown}:
        {body}
            return self.default
        return {value}
"""

    # --- the result ---------------------------------------------------------------------------------------------------

    @staticmethod
    def constant(node: ast.AnnAssign, class_: ast.expr, *arguments: str | ast.expr) -> ast.AnnAssign:
        given = [ast.parse(item, mode="eval").body if isinstance(item, str) else item for item in arguments]
        assert node.value is not None
        for item, written in zip(given, arguments, strict=True):
            if isinstance(written, str):
                for part in walk(item):
                    ast.copy_location(part, node.value)
        node.annotation = class_
        node.value = ast.copy_location(ast.Call(copied(class_), given, []), node.value)
        return node

    def classes(self, where: ast.stmt) -> list[ast.stmt]:
        """The classes of the settings."""
        made = [node for text in self.settings.values() for node in ast.parse(text).body]
        for node in made:
            relocate(node, where)
        return made


class _Found:
    """Where a setting's only word is."""

    @staticmethod
    def next() -> str:
        return "found"


def bound(node: ast.stmt) -> list[str]:
    """The names that a statement of the top level binds."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
    return []


def broken(name: str, where: ast.stmt) -> ast.stmt:
    """A name that stands for something wrong, which has been reported."""
    return ast.copy_location(ast.ImportFrom(BROKEN, [ast.copy_location(ast.alias(name), where)], 0), where)


#: where names are imported from that stand for what is wrong: nothing more is said of them
BROKEN = "_nki_broken"
