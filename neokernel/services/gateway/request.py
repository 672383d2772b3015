"""An inference request: its JSON becomes tensors, or words that say what is wrong with it.

Source: Open Inference Protocol v2, "Inference Request JSON Object". Members that aren't the protocol's are passed over,
and so are parameters: there are none that mean something here. `data` mostly stands behind what says what it is, and is
read then. It may stand before that: then it is passed over, and read when its input is complete. It is one list of all
elements, or lists in one another as the shape has them.

Where a request may have several examples, the first size of each shape says how many, and is the same for all inputs.
"""

from __future__ import annotations

from neokernel.abi.model import MOST_DIMENSIONS
from neokernel.http.text import Text
from neokernel.json.numbers import Integer, integer_of
from neokernel.json.reader import Problem, Reader, Token
from neokernel.lang import Array, array, struct, text_of, u8, u16, u64, usize
from neokernel.services.gateway.described import Described, Tensor
from neokernel.services.gateway.elements import Element, Unfit, bits_of, name_of, put, size_of_element
from neokernel.services.gateway.job import Job

#: bytes of a text of the client's that a message shows
MOST_SHOWN = 40


def read_request(job: Job, length: usize, described: Described, trouble: Text) -> bool:
    """Read a body of so many bytes into the job. False: `trouble` says what is wrong."""
    job.has_id, job.id_length, job.wanted, job.examples = False, 0, 0, 1
    reader = Reader(data=job.body[:length].bytes())
    asking = Asking(reader=reader, described=described, job=job, trouble=trouble)
    if reader.next() is not Token.OBJECT:
        return asking.unfit("the body is no JSON object")
    while True:
        token = reader.next()
        if token is Token.OBJECT_END:
            break
        if token is Token.WRONG:
            return asking.unfit("")
        if not asking.member():
            return False
    if reader.next() is not Token.END:
        return asking.unfit("")
    for number in range(described.inputs):
        if asking.given >> number & 1 == 0:
            trouble.write(f'the request has no input "{text_of(described.input(number).name())}"')
            return False
    if job.wanted == 0:
        job.wanted = (u16(1) << described.outputs) - 1
    return True


@struct
class Asking:
    """A request on its way through. Its methods give False when `trouble` says what is wrong."""

    reader: Reader
    described: Described
    job: Job
    trouble: Text
    #: members and inputs that were there, a bit each
    seen: u16 = 0
    given: u16 = 0
    #: examples of the inputs that were read, 0 before the first one
    examples: usize = 0

    def unfit(self, what: str) -> bool:
        """Something can't be; if it isn't JSON to begin with, that is said."""
        if self.reader.problem is Problem.NONE:
            self.trouble.write(what)
            return False
        match self.reader.problem:
            case Problem.CUT:
                self.trouble.write("the body is no JSON: it ends too early")
                return False
            case Problem.DEPTH:
                self.trouble.write("the body has too many lists or objects in one another")
            case Problem.TEXT:
                self.trouble.write("the body is no JSON: a text that isn't UTF-8, or has a wrong escape")
            case _:
                self.trouble.write("the body is no JSON: something can't stand there")
        self.trouble.write(f", at byte {self.reader.at}")
        return False

    def shown(self) -> None:
        """The text that was read last, in quotes, as far as a message has room for it."""
        text: Array[u8] = array(MOST_SHOWN)
        length = self.reader.text(text[:])
        if length is None:
            self.trouble.write("a text that is long")
        else:
            self.trouble.write(f'"{text_of(text[:length].bytes())}"')

    def once(self, bit: u16, name: str) -> bool:
        if self.seen & bit != 0:
            self.trouble.write(f"`{name}` stands there twice")
            return False
        self.seen |= bit
        return True

    def skip(self) -> bool:
        """Past the next value."""
        return self.reader.skip(self.reader.next()) or self.unfit("")

    # --- members of the request ---------------------------------------------------------------------------------------

    def member(self) -> bool:
        """The value of the member whose name was read."""
        if self.reader.is_text(b"id"):
            return self.once(1, "id") and self.read_id()
        if self.reader.is_text(b"inputs"):
            return self.once(2, "inputs") and self.read_inputs()
        if self.reader.is_text(b"outputs"):
            return self.once(4, "outputs") and self.read_outputs()
        return self.skip()

    def read_id(self) -> bool:
        if self.reader.next() is not Token.TEXT:
            return self.unfit("`id` is no text")
        length = self.reader.text(self.job.id[:])
        if length is None:
            return self.unfit("`id` is too long")
        self.job.has_id, self.job.id_length = True, length
        return True

    def read_inputs(self) -> bool:
        if self.reader.next() is not Token.LIST:
            return self.unfit("`inputs` is no list")
        while True:
            token = self.reader.next()
            if token is Token.LIST_END:
                return True
            if token is not Token.OBJECT:
                return self.unfit("an input is no object")
            if not self.read_input():
                return False

    def read_outputs(self) -> bool:
        if self.reader.next() is not Token.LIST:
            return self.unfit("`outputs` is no list")
        while True:
            token = self.reader.next()
            if token is Token.LIST_END:
                return True
            if token is not Token.OBJECT:
                return self.unfit("an output is no object")
            named, once = False, Once()
            while True:
                token = self.reader.next()
                if token is Token.OBJECT_END:
                    break
                if token is Token.WRONG:
                    return self.unfit("")
                if not self.reader.is_text(b"name"):
                    if not self.skip():
                        return False
                    continue
                if once.is_again(1):
                    return self.unfit("an output's `name` stands there twice")
                if self.reader.next() is not Token.TEXT:
                    return self.unfit("an output's `name` is no text")
                number = self.number_of(self.described.inputs, self.described.outputs)
                if number is None:
                    self.trouble.write("the model has no output ")
                    self.shown()
                    return False
                self.job.wanted |= u16(1) << number
                named = True
            if not named:
                return self.unfit("an output has no `name`")

    def number_of(self, first: usize, count: usize) -> usize | None:
        """Which of these tensors has the name that was read last?"""
        for number in range(count):
            if self.reader.is_text(self.described.tensors[first + number].name()):
                return number
        return None

    # --- an input -----------------------------------------------------------------------------------------------------

    def read_input(self) -> bool:
        """One whose brace was read: to its end, and then its data."""
        reader, trouble = self.reader, self.trouble
        number: usize | None = None
        typed: Element | None = None
        data: usize = 0
        made = False
        shape, once = Shape(), Once()
        while True:
            token = reader.next()
            if token is Token.OBJECT_END:
                break
            if token is Token.WRONG:
                return self.unfit("")
            if reader.is_text(b"name"):
                if once.is_again(1):
                    return self.unfit("an input's `name` stands there twice")
                if reader.next() is not Token.TEXT:
                    return self.unfit("an input's `name` is no text")
                number = self.number_of(0, self.described.inputs)
                if number is None:
                    trouble.write("the model has no input ")
                    self.shown()
                    return False
            elif reader.is_text(b"datatype"):
                if once.is_again(2):
                    return self.unfit("`datatype` stands there twice")
                if reader.next() is not Token.TEXT:
                    return self.unfit("`datatype` is no text")
                typed = self.datatype()
                if typed is None:
                    trouble.write("there is no datatype ")
                    self.shown()
                    trouble.write(" here")
                    return False
            elif reader.is_text(b"shape"):
                if once.is_again(4):
                    return self.unfit("`shape` stands there twice")
                if not shape.read(reader):
                    return self.unfit("`shape` is no list of whole numbers, or is too long")
            elif reader.is_text(b"data"):
                if once.is_again(8):
                    return self.unfit("`data` stands there twice")
                data = reader.at
                known = self.known(number, typed, shape)
                if known is not None:
                    made = self.read_data(known, shape.examples(self.described), reader)
                    if not made:
                        return False
                elif not self.skip():
                    return False
            elif not self.skip():
                return False
        if number is None:
            return self.unfit("an input has no `name`")
        tensor = self.described.input(number)
        named = text_of(tensor.name())
        if self.given >> number & 1 != 0:
            trouble.write(f'input "{named}" stands there twice')
        elif typed is not tensor.element:
            trouble.write(f'the model\'s input "{named}" is of datatype {text_of(name_of(tensor.element))}')
        elif not shape.is_of(tensor, self.described):
            trouble.write(f'the model\'s input "{named}" is of shape ')
            write_shape(tensor, self.described.most(), trouble)
        elif self.examples not in (0, shape.examples(self.described)):
            trouble.write(f'input "{named}" has another number of examples than the one before')
        elif data == 0:
            trouble.write(f'input "{named}" has no `data`')
        else:
            self.given |= u16(1) << number
            self.examples = shape.examples(self.described)
            self.job.examples = self.examples
            # As a document of its own, which ends with the list.
            return made or self.read_data(tensor, self.examples, Reader(data=reader.data, at=data))
        return False

    def known(self, number: usize | None, typed: Element | None, shape: Shape) -> Tensor | None:
        """The input, if that is what has been said of it."""
        if number is None:
            return None
        tensor = self.described.input(number)
        return tensor if typed is tensor.element and shape.is_of(tensor, self.described) else None

    def datatype(self) -> Element | None:
        """What the text that was read last names."""
        for number in range(u8(Element.FP64.value) + 1):
            if self.reader.is_text(name_of(Element(number))):
                return Element(number)
        return None

    def read_data(self, tensor: Tensor, examples: usize, reader: Reader) -> bool:
        """The elements of the list that comes next, of so many examples, into the job's memory."""
        first, size, stride = tensor.place, usize(size_of_element(tensor.element)), self.described.size
        whole = usize(tensor.count) * size
        memory = self.job.tensors[first : first + (examples - 1) * stride + whole]
        # Where the next element goes, and where its example's elements end.
        place, end = usize(0), whole
        count, rows = tensor.count * u64(examples), tensor.sizes[0] * u64(examples)
        counts: Array[u64] = array(MOST_DIMENSIONS)
        level: usize = 0
        # How deep the elements stand: all of them as the first one.
        depth: usize = 0
        made: u64 = 0
        if reader.next() is not Token.LIST:
            return self.wrong(tensor, "is no list")
        level, counts[0] = 1, 0
        while level != 0:
            token = reader.next()
            match token:
                case Token.LIST:
                    if level == max(tensor.rank, 1) or (depth != 0 and level >= depth):
                        return self.wrong(tensor, "has lists that its shape hasn't")
                    counts[level] = 0
                    level += 1
                case Token.LIST_END:
                    # A scalar has no lists in its shape: its one element stands in the list that is there.
                    flat = level == 1 and (depth == 1 or tensor.rank == 0)
                    wanted = count if flat else (rows if level == 1 else tensor.sizes[level - 1])
                    if counts[level - 1] != wanted:
                        return self.wrong(tensor, "hasn't as many elements as its shape says")
                    level -= 1
                    if level != 0:
                        counts[level - 1] += 1
                case Token.NUMBER | Token.TRUE | Token.FALSE:
                    if depth == 0:
                        depth = level
                    if level != depth or (depth != 1 and depth != tensor.rank):
                        return self.wrong(tensor, "has elements where its shape has lists")
                    if made == count:
                        return self.wrong(tensor, "hasn't as many elements as its shape says")
                    bits = element_bits(tensor.element, token, reader)
                    if isinstance(bits, Unfit):
                        self.name(tensor)
                        self.trouble.write(f"has element {made}, which is ")
                        kind = text_of(name_of(tensor.element))
                        self.trouble.write(f"{'out of the range of' if bits is Unfit.RANGE else 'no'} {kind}")
                        return False
                    if place == end:
                        end += stride
                        place = end - whole
                    put(tensor.element, memory, place, bits)
                    place += size
                    made += 1
                    counts[level - 1] += 1
                case _:
                    return self.wrong(tensor, "has something in it that is no element")
        # Elsewhere the job's memory has what another request left there: no model may see it.
        return made == count or self.wrong(tensor, "hasn't as many elements as its shape says")

    def name(self, tensor: Tensor) -> None:
        self.trouble.write(f'the data of input "{text_of(tensor.name())}" ')

    def wrong(self, tensor: Tensor, what: str) -> bool:
        if self.reader.problem is not Problem.NONE:
            return self.unfit("")
        self.name(tensor)
        self.trouble.write(what)
        return False


@struct
class Once:
    """Members of an object that were there, a bit each."""

    seen: u16 = 0

    def is_again(self, bit: u16) -> bool:
        again = self.seen & bit != 0
        self.seen |= bit
        return again


@struct
class Shape:
    rank: usize = 0
    sizes: Array[u64] = array(MOST_DIMENSIONS)
    given: bool = False

    def read(self, reader: Reader) -> bool:
        self.rank, self.given = 0, True
        if reader.next() is not Token.LIST:
            return False
        while True:
            token = reader.next()
            if token is Token.LIST_END:
                return True
            number: Integer | None = None
            if token is Token.NUMBER:
                number = integer_of(reader.number())
            if number is None or number.negative or self.rank == MOST_DIMENSIONS:
                return False
            self.sizes[self.rank] = number.size
            self.rank += 1

    def is_of(self, tensor: Tensor, described: Described) -> bool:
        """Is it the tensor's, of as many examples as there may be?"""
        same = self.given and self.rank == tensor.rank
        for axis in range(min(self.rank, tensor.rank)):
            if axis == 0 and described.most() > 1:
                same = same and 1 <= self.sizes[axis] <= u64(described.most())
            else:
                same = same and self.sizes[axis] == tensor.sizes[axis]
        return same

    def examples(self, described: Described) -> usize:
        """Requires: it `is_of` a tensor."""
        return usize(self.sizes[0]) if described.most() > 1 else usize(1)


def write_shape(tensor: Tensor, examples: usize, text: Text) -> None:
    """`examples`: so many at most."""
    text.write("[")
    for axis in range(tensor.rank):
        if axis == 0 and examples > 1:
            text.write(f"1 to {examples}")
        else:
            text.write(f"{', ' if axis != 0 else ''}{tensor.sizes[axis]}")
    text.write("]")


def element_bits(element: Element, token: Token, reader: Reader) -> u64 | Unfit:
    """Of the number, or the truth, that was read."""
    if token is Token.NUMBER:
        return bits_of(element, reader.number())
    if element is not Element.BOOL:
        return Unfit.KIND
    return u64(1) if token is Token.TRUE else u64(0)
