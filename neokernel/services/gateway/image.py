"""An image becomes a model's input: grey, in as many blocks as the input has elements.

A model takes images if it has one input, of FP32 or UINT8, whose last two dimensions are rows and columns, and all
others 1; and its name has a `scale`, the number that white becomes. An image's sides are multiples of the input's: each
element is how bright a block is on average. So the digits' model, 8 x 8 with a scale of 16, takes 32 x 32 pixels, black
and white, as the counts of white ones in blocks of 4 x 4.

Brightness is that of Rec. 601 (0.299 red, 0.587 green, 0.114 blue), on black where the image is transparent.
"""

from __future__ import annotations

from neokernel.http.text import Text
from neokernel.json.numbers import FLOAT32, nearest
from neokernel.lang import Span, struct, u8, u64, usize
from neokernel.png.image import Png, Problem
from neokernel.png.inflate import Inflate, Trouble
from neokernel.runtime.executor import Executor
from neokernel.services.gateway.described import Described, Tensor
from neokernel.services.gateway.elements import Element, put, size_of_element
from neokernel.services.gateway.job import Job

#: symbols that are unpacked, rows that are unfiltered, and pixels that are looked at, before others have their turn
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


async def read_image(executor: Executor, job: Job, length: usize, tensor: Tensor, scale: u64, trouble: Text) -> bool:
    """Make the input of the PNG that the job's body is. False: `trouble` says what is wrong.

    Others have their turn meanwhile: what the model is may have changed.
    """
    png = Png()
    problem = png.open(job.body[:length])
    if problem is not Problem.NONE:
        return unfit(problem, trouble)
    rows, columns = rows_of(tensor), columns_of(tensor)
    element, place = tensor.element, tensor.place
    height, width = u64(png.height), u64(png.width)
    if height * width > MOST_PIXELS:
        trouble.write(f"the image has {width} x {height} pixels: more than {MOST_PIXELS}")
        return False
    if height % rows != 0 or width % columns != 0:
        trouble.write(f"the image has {width} x {height} pixels: they have to be multiples of {columns} x {rows}")
        return False
    if png.raw_size > len(job.body) - png.packed:
        trouble.write(f"the image takes {png.raw_size} bytes unpacked: make it smaller")
        return False
    # The packed pixels lie in front now, and the other chunks aren't needed any more.
    raw = job.body[png.packed : png.packed + png.raw_size]
    packed = Inflate(data=job.body[: png.packed].bytes(), into=raw)
    while packed.advance(SYMBOLS):
        await executor.turn()
    if packed.trouble is not Trouble.NONE:
        trouble.write("the image is no PNG: what is packed in it is damaged, or isn't as long as its size says")
        return False
    while png.unfilter(raw, ROWS):
        await executor.turn()
    if png.problem is not Problem.NONE:
        return unfit(png.problem, trouble)
    block = Block(height=height // rows, width=width // columns)
    pixels: u64 = 0
    for row in range(rows):
        for column in range(columns):
            block.total = 0
            for line in range(row * block.height, (row + 1) * block.height):
                block.add_line(png, raw, usize(column * block.width), usize(line))
                pixels += block.width
                if pixels >= PIXELS:
                    pixels = 0
                    await executor.turn()
            at = usize(row * columns + column) * usize(size_of_element(element))
            put(element, job.tensors[place:], at, block.element(element, scale))
    return True


@struct
class Block:
    """Pixels that become one element. `total`: how bright they are together, each up to WHITE."""

    height: u64
    width: u64
    total: u64 = 0

    def add_line(self, png: Png, raw: Span[u8], first: usize, line: usize) -> None:
        for column in range(first, first + usize(self.width)):
            pixel = png.pixel(raw, column, line)
            bright = (u64(pixel.red) * 299 + u64(pixel.green) * 587 + u64(pixel.blue) * 114 + 500) // 1_000
            self.total += (bright * u64(pixel.alpha) + WHITE // 2) // WHITE

    def element(self, element: Element, scale: u64) -> u64:
        """The average, from 0 to `scale`: the bits of an element."""
        most = WHITE * self.height * self.width
        if element is Element.UINT8:
            return min((self.total * scale + most // 2) // most, 255)
        whole, rest = self.total * scale // most, self.total * scale % most
        return nearest(whole * UNIT + (rest * UNIT + most // 2) // most, -DIGITS, FLOAT32)


def unfit(problem: Problem, trouble: Text) -> bool:
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
    return False
