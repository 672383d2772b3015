"""The names of services, by their indices: init knows them, and nobody else needs to be told."""

from __future__ import annotations

from neokernel.abi.description import MAXIMUM_NAME
from neokernel.interfaces.system import Unknown, Watch
from neokernel.lang import Array, array, struct, u8, u64
from neokernel.runtime.system import Failure


@struct
class Names:
    watch: Watch
    text: Array[u8] = array(MAXIMUM_NAME)

    def of(self, index: u64) -> bytes:
        """A service's name: good until the next one is asked for. Empty if there is none such, or init doesn't say."""
        found = self.watch.service(index, self.text[:])
        length = 0 if isinstance(found, Unknown | Failure) or found.length > len(self.text) else found.length
        return self.text[:length].bytes()
