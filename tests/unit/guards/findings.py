"""Texts that hold something, put together here so that no file holds a thing that looks like a secret."""

CARD = "4111 1111 1111 1111"
IBAN = "DE89 3704 0044 0532 0130 00"
CN_ID = "11010519491231002X"
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
OPENAI = "sk-" + "proj-" + "aB3dE5gH" * 6
GITHUB = "gh" + "p_" + "aB3dE5gH9" * 4
SLACK = "xoxb-" + "123456789012-" + "aB3dE5gH9k"
GOOGLE = "AI" + "za" + "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q"
JWT = "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9"
PEM = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEow" + "ABCDefgh0123+/" * 30 + "\n-----END RSA " + "PRIVATE KEY-----"
OURS = "mw-abcdefgh-" + "abcdefghijklmnopqrstuvwxyz234567abcdef2"

EXAMPLES: tuple[tuple[str, str], ...] = (
    (f"card {CARD} 12/26 ok", "card [CARD] 12/26 ok"),
    ("card 4111111111111111", "card [CARD]"),
    ("4111-1111-1111-1111.", "[CARD]."),
    ("amex 3782 822463 10005", "amex [CARD]"),
    ("one by one: 4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "one by one: [CARD]"),
    ("４１１１ １１１１ １１１１ １１１１", "[CARD]"),
    ("4111\u200b1111\u200b1111\u200b1111 ok", "[CARD] ok"),
    (f"to {IBAN}, please", "to [IBAN], please"),
    ("GB29NWBK60161331926819!", "[IBAN]!"),
    (f"证件号：{CN_ID}。", "证件号：[CN_ID]。"),
    ("mail me: john.doe+spam@mail.example.com.", "mail me: [EMAIL]."),
    ("请联系zhang@example.com谢谢，手机13812345678。", "请联系[EMAIL]谢谢，手机[PHONE]。"),
    ("call +44 20 7946 0958 or (415) 555-2671", "call [PHONE] or [PHONE]"),
    ("+86 138-1234-5678, 0086 13812345678, 010-62345678", "[PHONE], [PHONE], [PHONE]"),
    ("+1 415 555 2671 2024-01-01", "[PHONE] 2024-01-01"),
    (f"key {AWS} x", "key [SECRET] x"),
    ("aws_secret_access_key = '" + "a1B2" * 10 + "'", "aws_secret_access_key = '[SECRET]'"),
    ("AWS_SECRET_ACCESS_KEY=" + "a1B2" * 10 + "\n", "AWS_SECRET_ACCESS_KEY=[SECRET]\n"),
    (f"{OPENAI}, {GITHUB} {SLACK}", "[SECRET], [SECRET] [SECRET]"),
    (f"{GOOGLE} {OURS} {JWT} end", "[SECRET] [SECRET] [SECRET] end"),
    (f"before\n{PEM}\nafter", "before\n[SECRET]\nafter"),
    ("http://bob:secret" + "@host/x", "http://[SECRET]@host/x"),
)
"""(text, the same with its findings masked)."""

HARMLESS: tuple[str, ...] = (
    "The answer is 42, or 3.14159265358979 to be exact.",
    "Order 12345678901234567 of 2024-01-01 12:30:45",
    "timestamp 1700000000000 and 1700000000",
    "4111 1111 1111 1112 fails the check",
    "ip 192.168.100.200, version 1.2.3-4, ISBN 978-3-16-148410-0",
    "sk-folding-cube and sk-circle-fade-dot are class names",
    "price: 1,234,567.89 or 1 234 567,89",
    "DE89 3704 0044 0532 0130 01 fails the check",
    "110105194912310021 fails the check",
    "see user@host or @someone, a @ b",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
    "git sha 0123456789abcdef0123456789abcdef01234567",
    "uuid 123e4567-e89b-12d3-a456-426614174000",
    "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----",
    "今天是2024年1月1日，共12345人参加，编号20240101001。",
)
