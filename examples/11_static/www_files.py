"""The files of www, each with its media type and its tag. Made by `nk embed`: change them, not this.

`nk embed www -o www_files.py` makes it anew; with `--check`, says whether it must be.
"""
# ruff: noqa: Q000
# fmt: off

from neokernel.http.files import File

# What makes this a module of the target.
from neokernel.lang import u64

TOTAL: u64 = 1189

FILES: tuple[File, ...] = (
    File(
        b'/about/index.html',
        b'text/html; charset=utf-8',
        b'"eb9c2b3d0b0a96128efd8ac318a239bc"',
        b'<!doctype html>\n<html la'
        b'ng="en">\n  <meta charset'
        b'="utf-8">\n  <meta name="'
        b'viewport" content="width'
        b'=device-width">\n  <title'
        b'>What serves it</title>\n'
        b'  <link rel="stylesheet"'
        b' href="../style.css">\n  '
        b'<h1>What serves it</h1>\n'
        b'  <p>A driver, a TCP/IP '
        b'service, and a program o'
        b'f some fifty lines: each'
        b' a process of its own.</'
        b'p>\n  <p><a href="../">Ba'
        b'ck</a></p>\n</html>\n',
    ),
    File(
        b'/index.html',
        b'text/html; charset=utf-8',
        b'"13cb94e7bf8bea8b91761f21917e981f"',
        b'<!doctype html>\n<html la'
        b'ng="en">\n  <meta charset'
        b'="utf-8">\n  <meta name="'
        b'viewport" content="width'
        b'=device-width">\n  <title'
        b'>Neokernel</title>\n  <li'
        b'nk rel="stylesheet" href'
        b'="style.css">\n  <h1>It w'
        b'orks</h1>\n  <p>This page'
        b' came out of a process t'
        b'hat holds one port of on'
        b'e network, and nothing e'
        b'lse.</p>\n  <p><img src="'
        b'picture.svg" width="240"'
        b' height="120" alt="A req'
        b'uest goes in, an answer '
        b'comes out"></p>\n  <p><a '
        b'href="about/">What serve'
        b's it</a></p>\n</html>\n',
    ),
    File(
        b'/picture.svg',
        b'image/svg+xml',
        b'"55042cb9b45da73a8798400577972cd7"',
        b'<svg xmlns="http://www.w'
        b'3.org/2000/svg" viewBox='
        b'"0 0 240 120" fill="none'
        b'" stroke="#3a7bd5" strok'
        b'e-width="4">\n  <rect x="'
        b'80" y="20" width="80" he'
        b'ight="80" rx="10"/>\n  <p'
        b'ath d="M8 45h56m-14-10 1'
        b'4 10-14 10M232 75h-56m14'
        b'-10-14 10 14 10"/>\n</svg'
        b'>\n',
    ),
    File(
        b'/style.css',
        b'text/css; charset=utf-8',
        b'"a3cb3d33fadc039f17a1ce360a0cff44"',
        b':root { color-scheme: li'
        b'ght dark; }\nbody { font:'
        b' 1.1rem/1.5 system-ui, s'
        b'ans-serif; max-width: 40'
        b'rem; margin: 3rem auto; '
        b'padding: 0 1rem; }\n',
    ),
)
