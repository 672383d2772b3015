"""Neokernel: a capability-secure microkernel in typed Python.

Importing the package installs the hook that instruments target modules as they are imported.
"""

from neokernel import early

if early.is_script():
    early.arm()

from neokernel.lang.hook import install_hook, refuse_a_late_hook

refuse_a_late_hook()
install_hook()
