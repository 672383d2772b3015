"""The files of www, each with its media type and its tag. Made by `nk embed`: change them, not this.

`nk embed www -o www_files.py` makes it anew; with `--check`, says whether it must be.
"""
# ruff: noqa: Q000
# fmt: off

from neokernel.http.files import File

# What makes this a module of the target.
from neokernel.lang import u64

TOTAL: u64 = 1779

FILES: tuple[File, ...] = (
    File(
        b'/index.html',
        b'text/html; charset=utf-8',
        b'"1696e5f06e963412bc063011eba4d2bc"',
        b'<!doctype html>\n<html la'
        b'ng="en">\n<title>waiting<'
        b'/title>\n<link rel="style'
        b'sheet" href="/style.css"'
        b'>\n<link rel="icon" href='
        b'"/picture.svg">\n<p id="s'
        b'aid">waiting</p>\n<img id'
        b'="picture" src="/picture'
        b'.svg" alt="a square">\n<s'
        b'cript src="/script.js"><'
        b'/script>\n</html>\n',
    ),
    File(
        b'/picture.svg',
        b'image/svg+xml',
        b'"36a1fe9ba2cda1f1c10f8f4d2c7fa4a1"',
        b'<svg xmlns="http://www.w'
        b'3.org/2000/svg" width="7'
        b'" height="5"><rect width'
        b'="7" height="5"/></svg>\n',
    ),
    File(
        b'/script.js',
        b'text/javascript; charset=utf-8',
        b'"4cb13bb10e907425d8b888e7e25fe166"',
        b'// What a page of a brow'
        b'ser finds of the site: p'
        b'arts at the same time, a'
        b'n echo, the style, the p'
        b'icture.\n\nfunction noise('
        b'size) {\n  const found = '
        b'new Uint8Array(size);\n  '
        b'for (let place = 0, stat'
        b'e = 1n; place < size; pl'
        b'ace += 1) {\n    state = '
        b'(state * 1103515245n + 1'
        b'2345n) % (1n << 31n);\n  '
        b'  found[place] = Number('
        b'(state >> 16n) & 255n);\n'
        b'  }\n  return found;\n}\n\nc'
        b'onst same = (one, other)'
        b' => one.length === other'
        b'.length && one.every((by'
        b'te, place) => byte === o'
        b'ther[place]);\nconst byte'
        b's = async (answer) => ne'
        b'w Uint8Array(await (awai'
        b't answer).arrayBuffer())'
        b';\n\nasync function look()'
        b' {\n  const all = noise(1'
        b' << 16);\n  const firsts '
        b'= Array.from({ length: 2'
        b'4 }, (_, number) => numb'
        b'er * 2477);\n  const part'
        b's = await Promise.all(fi'
        b'rsts.map((first) => byte'
        b's(fetch(`/part?from=${fi'
        b'rst}&size=3000`))));\n  c'
        b'onst right = parts.filte'
        b'r((part, number) => same'
        b'(part, all.slice(firsts['
        b'number], firsts[number] '
        b'+ 3000))).length;\n  cons'
        b't echoed = same(await by'
        b'tes(fetch("/echo", { met'
        b'hod: "POST", body: all }'
        b')), all);\n  const style '
        b'= getComputedStyle(docum'
        b'ent.getElementById("said'
        b'")).color;\n  const pictu'
        b're = document.getElement'
        b'ById("picture");\n  await'
        b' picture.decode();\n  ret'
        b'urn `${right} parts, ech'
        b'o ${echoed}, ${style}, $'
        b'{picture.naturalWidth}x$'
        b'{picture.naturalHeight}`'
        b';\n}\n\nlook()\n  .catch((er'
        b'ror) => `failed: ${error'
        b'}`)\n  .then((found) => {'
        b' document.title = docume'
        b'nt.getElementById("said"'
        b').textContent = found; }'
        b');\n',
    ),
    File(
        b'/style.css',
        b'text/css; charset=utf-8',
        b'"5529874330e961ade84a8dbc0f0cba94"',
        b'#said { color: rgb(1, 2,'
        b' 3); }\n',
    ),
)
