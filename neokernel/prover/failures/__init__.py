"""How what isn't proven fails, for who has to mend it: values, the way, the part to blame, a test, the message.

Nothing here decides what is proven: so it may change, and what is known to be proven stays so.
"""

#: with what a test begins that is made of a way to fail
MADE = '"""Made by `nk prove`: '
