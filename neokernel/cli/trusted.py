"""What the commands about keys and signatures share: their complaints, and how a key is named to people."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from neokernel.cli.errors import ToolError

#: the highest rollback index, 64 bits
MOST_ROLLBACK = (1 << 64) - 1
READ_MORE = "docs/guide/signing.md"


@contextlib.contextmanager
def complaints(image: Path | None = None) -> Iterator[None]:
    """What is wrong with keys, images and files, as the errors that a user sees. `image`: the one that is looked at."""
    from neokernel.image.boot import BrokenStage
    from neokernel.image.elf import BadImage
    from neokernel.image.keys import BadKey
    from neokernel.image.signed import BadBootImage
    from neokernel.model.problem import ModelError

    try:
        yield
    except BadKey as error:
        raise ToolError("NK1501", str(error), "`nk key new NAME` makes a pair of keys") from error
    except (BadBootImage, BadImage) as error:
        named = f"{image}: {error}" if image is not None else str(error)
        raise ToolError("NK1502", named, f"`nk image` makes boot images, `nk sign` signs them; {READ_MORE}") from error
    except ModelError as error:
        raise ToolError(error.code, f"{image}: {error.message}" if image else error.message, error.help) from error
    except BrokenStage as error:
        raise ToolError("NK1502", str(error), "`nk check neokernel/stage/main.py` says more") from error
    except FileExistsError as error:
        raise ToolError(
            "NK1005", f"{error.filename} is there, and no key is overwritten", "choose another name"
        ) from error
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise ToolError("NK1005", f"{place}{error.strerror or error}") from error


def fingerprint(public: bytes) -> str:
    """A public key in short, for people to compare."""
    return hashlib.sha256(public).hexdigest()[:16]
