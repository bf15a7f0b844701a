"""Letters of other scripts and characters of other spellings, as the rules know them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from unicodedata import combining, normalize

from modelwright.guards.plain import plain

_ALIKE = dict(
    zip(
        map(ord, "аеорсухіјѕԁһӏвкмнтαεορυνικτχаɡօոսɑ"),
        "aeopcyxijsdhlbkmhtaeopuviktxagonua",
        strict=True,
    )
)
"""Letters of other scripts that look like those of English."""
_FOREIGN = re.compile(
    "[\u0100-\u024f\u0300-\u036f\u0370-\u058f\u1d00-\u1eff\u2100-\u214f\u2460-\u24ff\U0001d400-\U0001d7ff]"
)
_ENGLISH = re.compile("[a-zA-Z\U0001d400-\U0001d7ff]")
_SPELT = re.compile(r"(?:[\u4e00-\u9fff][\s.\-_*·]{1,2}){4,}[\u4e00-\u9fff]")
_GAP = re.compile(r"(?<=[\u4e00-\u9fff])[\s.\-_*·]{1,2}(?=[\u4e00-\u9fff])")
_TAGS = re.compile("[\U000e0020-\U000e007e]{4,}")
"""Invisible letters that some models read."""
_PAIRS = (
    "視视 無无 與与 請请 給给 輸输 顯显 訴诉 講讲 讓让 發发 轉转 數数 據据 資资 檔档 "
    "記记 錄录 對对 話话 內内 機机 語语 開开 規规 範范 違违 應应 從从 現现 寫写 貼贴 "
    "頭头 麼么 們们 個个 別别 當当 為为 這这 則则 說说 聽听 業业 務务 員员 審审 過过 "
    "濾滤 觀观 隱隐 終终 將将 統统 設设 遺遗 棄弃 丟丢 鎖锁 關关 閉闭 權权 屬属 號号 "
    "誌志 聲声 張张 許许 際际 實实 問问 題题 詞词 禮礼 暫暂 時时 執执 調调 處处 導导 "
    "貨货 幣币 賬账 戶户 碼码 鑰钥 憑凭 證证 傳传 後后 臺台 戲戏 遊游 寶宝 類类 軟软 "
    "續续 駭骇 馬马 壞坏 編编 譯译 釋释 須须 還还 瀏浏 覽览 監监 聞闻 閱阅 讀读 徵征 "
    "點点 擊击 級级 層层"
)
"""Traditional characters, each with the simplified one."""
_SIMPLE = {ord(pair[0]): pair[1] for pair in _PAIRS.split()}
_TRADITIONAL = re.compile(f"[{''.join(map(chr, _SIMPLE))}]")


def simplified(text: str) -> str:
    """Chinese as it is written on the mainland."""
    if text.isascii() or _TRADITIONAL.search(text) is None:
        return text
    return text.translate(_SIMPLE)


def readings(text: str, even: str) -> Iterator[str]:
    """What a text says in letters that nobody sees, that only look like others, or that stand apart."""
    if tags := _TAGS.search(text):
        yield "".join(chr(ord(letter) - 0xE0000) for letter in tags[0])
    if _FOREIGN.search(text) and _ENGLISH.search(text):
        bare = normalize("NFKD", plain(text)[0].lower().translate(_ALIKE))
        yield "".join(letter for letter in bare if not combining(letter))
    if _SPELT.search(even):
        yield _GAP.sub("", even)
