"""Check digits: of card numbers (Luhn), IBANs (ISO 7064 mod 97-10) and Chinese identity numbers (mod 11-2)."""

from __future__ import annotations

import re

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ISSUERS = re.compile(
    r"4(?:.{12}|.{15}|.{18})|5[1-5].{14}|2(?:22[1-9]|2[3-9].|[3-6]..|7[01].|720).{12}|3[47].{13}"
    r"|6(?:011|4[4-9].|5..).{12,15}|3(?:0[0-5]|[689].).{11}|35(?:2[89]|[3-8].).{12,15}|62.{14,17}|(?:5[06-8]|6[37]).{11,17}"
)
"""First digits and lengths: Visa, Mastercard, American Express, Discover, Diners, JCB, UnionPay, Maestro."""

IBAN_LENGTHS: dict[str, int] = {
    country: int(length)
    for length, countries in (
        line.split(": ")
        for line in (
            "15: NO", "16: BE", "18: DK FI FO GL NL SD", "19: MK SI", "20: AT BA EE KZ LT LU MN XK", "21: CH HR LI LV",
            "22: BG BH CR DE GB GE IE ME RS VA", "23: AE GI IL IQ OM SO TL", "24: AD CZ ES MD PK RO SA SE SK TN VG",
            "25: LY PT ST", "26: IS TR", "27: BI DJ FR GR IT MC MR SM", "28: AL AZ BY CY DO GT HU LB NI PL SV",
            "29: BR EG PS QA UA", "30: JO KW MU YE", "31: MT SC", "32: LC", "33: RU",
        )
    )
    for country in countries.split()
}  # fmt: skip
"""Characters of an IBAN by country (SWIFT's registry)."""


def is_card(digits: str) -> bool:
    """Whether these digits are of an issuer's form and pass Luhn's check."""
    if _ISSUERS.fullmatch(digits) is None:
        return False
    numbers = [ord(digit) - 48 for digit in reversed(digits)]
    return (sum(numbers[::2]) + sum(_DOUBLED[number] for number in numbers[1::2])) % 10 == 0


def is_iban(text: str) -> bool:
    """Whether these letters and digits, without blanks, are an IBAN; the length is the country's."""
    text = text.upper()
    if IBAN_LENGTHS.get(text[:2]) != len(text):
        return False
    moved = text[4:] + text[:4]
    return int("".join(str(int(each, 36)) for each in moved)) % 97 == 1


def is_chinese_identity(text: str) -> bool:
    """Whether the last of these 18 characters is the check digit of the others (GB 11643)."""
    total = sum(weight * (ord(digit) - 48) for weight, digit in zip(_WEIGHTS, text, strict=False))
    return "10X98765432"[total % 11] == text[17].upper()
