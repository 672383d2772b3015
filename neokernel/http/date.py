"""Dates as HTTP writes them: `Sun, 06 Nov 1994 08:49:37 GMT`, and the two older forms that are still read.

Specification: RFC 9110, section 5.6.7. Days are counted by the algorithms of Howard Hinnant ("chrono-compatible
low-level date algorithms").

Invariant: `parse` of what `write` has written is what was written.
"""

from __future__ import annotations

from neokernel.http.characters import COMMA, SPACE, find, number_of, trimmed
from neokernel.lang import Span, copy, u8, u64, usize

#: bytes of a date
SIZE = 29
DAY = 86_400
#: the last second of the year 9999
LAST = 253_402_300_799

DAYS = b"SunMonTueWedThuFriSat"
MONTHS = b"JanFebMarAprMayJunJulAugSepOctNovDec"
FORM = b"Sun, 06 Nov 1994 08:49:37 GMT"


def write(into: Span[u8], seconds: u64) -> None:
    """Write the date, `seconds` after 1970 began, into SIZE bytes. Beyond the year 9999 it is its last second."""
    time = min(seconds, LAST)
    days, rest = time // DAY, time % DAY
    weekday = usize((days + 4) % 7)
    # Years begin in March, so that a leap day is a year's last.
    shifted = days + 719_468
    era, day_of_era = shifted // 146_097, shifted % 146_097
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 2 if shifted_month < 10 else shifted_month - 10
    year = year_of_era + era * 400 + (1 if month < 2 else 0)
    copy(into, FORM)
    copy(into[:3], DAYS[3 * weekday : 3 * weekday + 3])
    copy(into[8:11], MONTHS[3 * usize(month) : 3 * usize(month) + 3])
    put(into[5:7], day)
    put(into[12:14], year // 100)
    put(into[14:16], year % 100)
    put(into[17:19], rest // 3_600)
    put(into[20:22], rest // 60 % 60)
    put(into[23:25], rest % 60)


def put(into: Span[u8], number: u64) -> None:
    """Two digits."""
    into[0], into[1] = 0x30 + u8(number // 10), 0x30 + u8(number % 10)


def parse(text: bytes) -> u64 | None:
    """Seconds since 1970 began; None: it is no date, or one before that."""
    comma = find(text, COMMA)
    if comma == len(text):
        # asctime: Sun Nov  6 08:49:37 1994
        if len(text) != 24 or text[3] != SPACE or text[7] != SPACE or text[10] != SPACE or text[19] != SPACE:
            return None
        return assembled(text[20:], text[4:7], trimmed(text[8:10]), text[11:19])
    rest = text[comma + 1 :]
    if len(rest) == 25 and comma == 3:
        # the usual form, from the blank on
        if rest[0] != SPACE or rest[3] != SPACE or rest[7] != SPACE or rest[12] != SPACE or rest[21:] != b" GMT":
            return None
        return assembled(rest[8:12], rest[4:7], rest[1:3], rest[13:21])
    if len(rest) == 23:
        # RFC 850: Sunday, 06-Nov-94 08:49:37 GMT
        if rest[0] != SPACE or rest[3] != 0x2D or rest[7] != 0x2D or rest[10] != SPACE or rest[19:] != b" GMT":
            return None
        return assembled(rest[8:10], rest[4:7], rest[1:3], rest[11:19])
    return None


def assembled(year_text: bytes, month_name: bytes, day_text: bytes, time: bytes) -> u64 | None:
    """`time`: 08:49:37. A year of two digits lies between 1970 and 2069."""
    if len(time) != 8 or time[2] != 0x3A or time[5] != 0x3A:
        return None
    year, day = number_of(year_text), number_of(day_text)
    hours, minutes, seconds = number_of(time[:2]), number_of(time[3:5]), number_of(time[6:])
    month = month_of(month_name)
    if year is None or day is None or month is None or hours is None or minutes is None or seconds is None:
        return None
    century: u64 = 0 if len(year_text) == 4 else 1_900 if year >= 70 else 2_000
    whole = century + year
    # A leap second is the next one.
    if not 1_970 <= whole <= 9_999 or not 1 <= day <= 31 or hours > 23 or minutes > 59 or seconds > 60:
        return None
    return days_before(whole, month, day) * DAY + hours * 3_600 + minutes * 60 + seconds


def days_before(year: u64, month: u64, day: u64) -> u64:
    """Days from 1970 on; months count from 0."""
    shifted_year = year if month >= 2 else year - 1
    shifted_month = month - 2 if month >= 2 else month + 10
    era, year_of_era = shifted_year // 400, shifted_year % 400
    day_of_year = (153 * shifted_month + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


def month_of(name: bytes) -> u64 | None:
    for month in range(u64(12)):
        if MONTHS[3 * usize(month) : 3 * usize(month) + 3] == name:
            return month
    return None
