"""An image becomes a model's input: grey, in as many blocks as the input has elements.

A model takes images if it has one input, of FP32 or UINT8, whose last two dimensions are rows and columns, and all
others 1; and its name has a `scale`, the number that white becomes. An image's sides are multiples of the input's: each
element is how bright a block is on average. So the digits' model, 8 x 8 with a scale of 16, takes 32 x 32 pixels, black
and white, as the counts of white ones in blocks of 4 x 4.

Brightness is that of Rec. 601 (0.299 red, 0.587 green, 0.114 blue), on black where the image is transparent.
"""

from __future__ import annotations

from enum import Enum

from neokernel.http.exchange import Exchange
from neokernel.http.text import Text
from neokernel.json.numbers import FLOAT32, nearest
from neokernel.lang import Span, struct, u8, u64, usize
from neokernel.png.image import Png, Problem
from neokernel.png.inflate import Inflate, Trouble
from neokernel.services.gateway.described import Described, Tensor
from neokernel.services.gateway.elements import Element, put, size_of_element
from neokernel.services.gateway.job import Job
from neokernel.services.gateway.pace import Turn

#: of a step: symbols that are unpacked, rows that are unfiltered, and pixels that are looked at
SYMBOLS = 2_000
ROWS = 16
PIXELS: u64 = 2_000
#: of an image: what one costs is the gateway's time, however well it is packed
MOST_PIXELS: u64 = 65_536
WHITE: u64 = 65_535
#: decimal digits behind the point that an element is rounded to before it becomes a float
DIGITS = 8
UNIT: u64 = 100_000_000


def takes_images(described: Described) -> bool:
    """Can the model's input be an image?"""
    if described.inputs != 1:
        return False
    tensor = described.input(0)
    fits = tensor.rank >= 2 and (tensor.element is Element.FP32 or tensor.element is Element.UINT8)
    return fits and tensor.count == rows_of(tensor) * columns_of(tensor)


def gives_scores(described: Described) -> bool:
    """Is its first result a list of them?"""
    return described.output(0).element is Element.FP32


def rows_of(tensor: Tensor) -> u64:
    return tensor.sizes[tensor.rank - 2]


def columns_of(tensor: Tensor) -> u64:
    return tensor.sizes[tensor.rank - 1]


class Read(Enum):
    """What has become of an image."""

    TAKEN = 0
    #: it is no image, or doesn't fit
    WRONG = 1
    #: its request's time was over first
    LATE = 2
    #: the client has gone
    GONE = 3


async def read_image(
    turn: Turn, client: Exchange, until: u64, job: Job, length: usize, tensor: Tensor, scale: u64, trouble: Text
) -> Read:
    """Make the input of the PNG that the job's body is, until then. WRONG: `trouble` says what is.

    Others have their turn meanwhile: what the model is may have changed.
    """
    png = Png()
    async with turn:
        problem = png.open(job.body[:length])
    if problem is not Problem.NONE:
        return unfit(problem, trouble)
    rows, columns = rows_of(tensor), columns_of(tensor)
    height, width = u64(png.height), u64(png.width)
    if height * width > MOST_PIXELS:
        trouble.write(f"the image has {width} x {height} pixels: more than {MOST_PIXELS}")
        return Read.WRONG
    if height % rows != 0 or width % columns != 0:
        trouble.write(f"the image has {width} x {height} pixels: they have to be multiples of {columns} x {rows}")
        return Read.WRONG
    if png.raw_size > len(job.body) - png.packed:
        trouble.write(f"the image takes {png.raw_size} bytes unpacked: make it smaller")
        return Read.WRONG
    # The packed pixels lie in front now, and the other chunks aren't needed any more.
    raw = job.body[png.packed : png.packed + png.raw_size]
    packed = Inflate(data=job.body[: png.packed].bytes(), into=raw)
    blocks = Blocks(element=tensor.element, scale=scale, columns=columns, height=height // rows, width=width // columns)
    made = job.tensors[tensor.place : tensor.place + usize(tensor.count * size_of_element(tensor.element))]
    more = True
    while more:
        async with turn:
            more = packed.advance(SYMBOLS)
        if more and client.is_gone():
            return Read.GONE
        if more and turn.executor.now >= until:
            return Read.LATE
    if packed.trouble is not Trouble.NONE:
        trouble.write("the image is no PNG: what is packed in it is damaged, or isn't as long as its size says")
        return Read.WRONG
    more = True
    while more:
        async with turn:
            more = png.unfilter(raw, ROWS)
        if more and client.is_gone():
            return Read.GONE
        if more and turn.executor.now >= until:
            return Read.LATE
    if png.problem is not Problem.NONE:
        return unfit(png.problem, trouble)
    more = True
    while more:
        async with turn:
            more = blocks.advance(png, raw, made)
        if more and client.is_gone():
            return Read.GONE
        if more and turn.executor.now >= until:
            return Read.LATE
    return Read.TAKEN


@struct
class Blocks:
    """Pixels become elements: those of a block one, row by row of blocks."""

    element: Element
    #: what white becomes
    scale: u64
    #: elements in a row
    columns: u64
    #: pixels of a block
    height: u64
    width: u64
    #: the element that is being made: how bright its pixels are together that were looked at, each up to WHITE
    at: u64 = 0
    line: u64 = 0
    total: u64 = 0

    def advance(self, png: Png, raw: Span[u8], made: Span[u8]) -> bool:
        """Look at some thousand pixels. False: all elements are in `made`."""
        count = u64(len(made)) // size_of_element(self.element)
        pixels: u64 = 0
        while self.at < count and pixels < PIXELS:
            first, line = self.at % self.columns * self.width, self.at // self.columns * self.height + self.line
            self.add_line(png, raw, usize(first), usize(line))
            pixels += self.width
            self.line += 1
            if self.line == self.height:
                put(self.element, made, usize(self.at * size_of_element(self.element)), self.average())
                self.at += 1
                self.line, self.total = 0, 0
        return self.at < count

    def add_line(self, png: Png, raw: Span[u8], first: usize, line: usize) -> None:
        for column in range(first, first + usize(self.width)):
            pixel = png.pixel(raw, column, line)
            bright = (u64(pixel.red) * 299 + u64(pixel.green) * 587 + u64(pixel.blue) * 114 + 500) // 1_000
            self.total += (bright * u64(pixel.alpha) + WHITE // 2) // WHITE

    def average(self) -> u64:
        """From 0 to `scale`: the bits of an element."""
        most = WHITE * self.height * self.width
        if self.element is Element.UINT8:
            return min((self.total * self.scale + most // 2) // most, 255)
        whole, rest = self.total * self.scale // most, self.total * self.scale % most
        return nearest(whole * UNIT + (rest * UNIT + most // 2) // most, -DIGITS, FLOAT32)


def unfit(problem: Problem, trouble: Text) -> Read:
    match problem:
        case Problem.SIGNATURE:
            trouble.write("the body is no PNG")
        case Problem.CUT:
            trouble.write("the image is no PNG: it ends too early")
        case Problem.CHECKSUM:
            trouble.write("the image is no PNG: a checksum in it is wrong")
        case Problem.SIZE:
            trouble.write("the image is too large: a side has 4096 pixels at most")
        case Problem.FILTER:
            trouble.write("the image is no PNG: a row in it is filtered in a way that there isn't")
        case _:
            trouble.write("the image is no PNG: its header, or another chunk, is wrong")
    return Read.WRONG
