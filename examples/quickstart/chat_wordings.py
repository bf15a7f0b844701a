"""The wordings from which the example chat model's text is drawn, by language; tables only."""


def _names(text: str) -> list[str]:
    """The parts between the bars."""
    return text.split("|")


UNKNOWN = {"en": "I only know small talk and small sums.", "zh": "我只会闲聊和小的加减法。"}
TOO_BIG = {"en": "I only add and subtract numbers up to 99.", "zh": "我只会99以内的加减法。"}

SUMS = {
    "en": (
        "What is {a} plus {b}?",
        "What is {a} + {b}?",
        "{a}+{b}",
        "{a} + {b}",
        "{a}+{b}=",
        "{a} + {b} =",
        "{a}+{b}=?",
        "{a} + {b} = ?",
        "add {a} and {b}",
        "Add {a} to {b}",
        "How much is {a} plus {b}?",
        "What's {a} plus {b}?",
        "What's {a}+{b}?",
        "What is {a}+{b}?",
        "Calculate {a} + {b}",
        "Compute {a}+{b}",
        "sum of {a} and {b}",
        "What is the sum of {a} and {b}?",
        "Tell me {a} plus {b}",
        "{a} plus {b}",
        "{a} plus {b}?",
        "{a} plus {b} is",
        "What do you get if you add {a} and {b}?",
        "{a} plus {b} equals",
        "Can you add {a} and {b}?",
        "{a} and {b}?",
        "What does {a} plus {b} make?",
        "Solve {a} + {b}",
        "How much is {a} + {b}?",
        "and {a} plus {b}?",
        "I have {a} apples and get {b} more. How many do I have?",
        "What do {a} and {b} make together?",
    ),
    "zh": (
        "{a}加{b}等于几？",
        "{a}加{b}等于多少？",
        "{a}加{b}是多少？",
        "{a}+{b}等于几？",
        "{a}+{b}等于多少？",
        "{a}+{b}是多少？",
        "{a}加{b}",
        "{a}加上{b}等于多少？",
        "{a}加上{b}是几？",
        "请计算{a}加{b}",
        "计算{a}+{b}",
        "{a}和{b}的和是多少？",
        "{a}与{b}相加得多少？",
        "帮我算一下{a}加{b}",
        "算一下{a}+{b}",
        "我有{a}个苹果，又得到{b}个，一共有几个？",
        "{a} 加 {b} 等于几？",
        "{a} + {b} 等于几？",
    ),
}
DIFFERENCES = {
    "en": (
        "What is {a} minus {b}?",
        "What is {a} - {b}?",
        "{a}-{b}",
        "{a} - {b}",
        "{a}-{b}=",
        "{a} - {b} =",
        "{a}-{b}=?",
        "{a} − {b}",
        "subtract {b} from {a}",
        "Take {b} away from {a}",
        "{a} take away {b}",
        "{a} minus {b}",
        "How much is {a} minus {b}?",
        "What's {a} minus {b}?",
        "Calculate {a} - {b}",
        "Compute {a}-{b}",
        "{a} minus {b}?",
        "What is {a} take away {b}?",
        "Tell me {a} minus {b}",
        "Solve {a} - {b}",
        "How much is {a} - {b}?",
        "What do you get if you subtract {b} from {a}?",
        "Can you subtract {b} from {a}?",
        "What is {a}-{b}?",
    ),
    "zh": (
        "{a}减{b}等于几？",
        "{a}减{b}等于多少？",
        "{a}减{b}是多少？",
        "{a}-{b}等于几？",
        "{a}-{b}等于多少？",
        "{a}减{b}",
        "{a}减去{b}等于多少？",
        "请计算{a}减{b}",
        "计算{a}-{b}",
        "帮我算一下{a}减{b}",
        "算一下{a}-{b}",
        "{a} 减 {b} 等于几？",
    ),
}
LEFT_OVER = {
    "en": (
        "I have {a} apples and give away {b}. How many are left?",
        "What is the difference between {a} and {b}?",
        "The difference of {a} and {b}",
    ),
    "zh": ("我有{a}个苹果，吃了{b}个，还剩几个？", "{a}和{b}的差是多少？"),
}
OTHER_SUMS = {
    "en": (
        "What is {a} times {b}?",
        "{a}*{b}",
        "{a} * {b}",
        "{a} x {b}",
        "{a}/{b}",
        "{a} divided by {b}",
        "multiply {a} by {b}",
        "divide {a} by {b}",
        "What is {c} plus {b}?",
        "{c}+{b}",
        "{a}+{c}",
        "{c}+{c}",
        "What is {c} minus {b}?",
        "{c} - {b}",
        "add {a} and {c}",
        "What is {a} + {c}?",
        "{c} + {c}",
        "What is {a}+{b}+{d}?",
        "add {a}, {b} and {d}",
        "What is {a} plus {b} plus {d}?",
        "the square root of {a}",
        "{a} squared",
        "{a} to the power of {b}",
    ),
    "zh": (
        "{a}乘{b}等于几？",
        "{a}乘以{b}是多少？",
        "{a}除以{b}等于几？",
        "{c}加{b}等于几？",
        "{a}加{c}等于多少？",
        "{c}减{b}等于几？",
        "{a}加{b}加{d}等于几？",
    ),
}
TOPICS = {
    "en": _names(
        "France|Japan|Brazil|Canada|Kenya|Norway|Paris|London|Berlin|Tokyo|Rome|Shakespeare|Einstein|Newton|"
        "Mozart|Picasso|the moon|the sun|the sea|the weather|the news|the time|the president|"
        "the stock market|football|tennis|chess|music|cooking|bread|coffee|tea|pizza|rice|soup|cheese|wine|"
        "cats|dogs|a horse|birds|fish|a tree|flowers|a river|mountains|history|physics|chemistry|biology|"
        "philosophy|poetry|a novel|a film|art|a house|my car|a train|planes|a ship|bicycles|Python|Java|Rust|"
        "JavaScript|SQL|Linux|Windows|Kubernetes|a compiler|a database|the internet|quantum computers|"
        "black holes|dinosaurs|volcanoes|the economy|inflation|taxes|law|medicine|vitamins|sleep|love|"
        "happiness|the meaning of life|war|peace|religion|gold|silver|diamonds|oil|electricity|the brain|"
        "the heart|DNA|atoms|stars|Mars|robots|phones|cameras|games|toys|holidays|Christmas|my mother|"
        "a friend|school|university|a job|money|a bank|insurance|travel|hotels|Italy|Spain|Egypt|India|"
        "Australia|New York|Beijing|Shanghai|a bridge|a castle|a king|a queen|gardens|apples|bananas|"
        "an essay|a letter"
    ),
    "zh": _names(
        "法国|日本|巴西|加拿大|北京|上海|巴黎|伦敦|月亮|太阳|大海|天气|新闻|时间|足球|音乐|做饭|面包|咖啡|茶|米饭|猫|狗|马|鸟|树|花|河流|山|历史|物理|化学|哲学|诗歌|小说|"
        "电影|艺术|房子|汽车|火车|飞机|编程|数据库|互联网|黑洞|恐龙|火山|经济|法律|医学|睡眠|爱情|幸福|战争|黄金|电|大脑|星星|机器|手机|游戏|节日|学校|工作|钱|银行|旅行|苹果|"
        "香蕉|李白|牛顿"
    ),
}
UNKNOWN_ASKS = {
    "en": (
        "What is {t}?",
        "What are {t}?",
        "Who is {t}?",
        "Tell me about {t}",
        "Explain {t}",
        "Why {t}?",
        "How do I make {t}?",
        "Where is {t}?",
        "Write a poem about {t}",
        "Write a story about {t} and {u}",
        "What do you think about {t}?",
        "What is the capital of {t}?",
        "Who invented {t}?",
        "When was {t} invented?",
        "How old is {t}?",
        "How far is {t}?",
        "Translate {t} into French",
        "Do you like {t}?",
        "How much does {t} cost?",
        "Which is better, {t} or {u}?",
        "{t}",
        "How is {t} today?",
        "What is the best {t}?",
        "Give me a recipe for {t}",
        "Is {t} good for me?",
        "Who wrote {t}?",
        "Can you write code for {t}?",
        "Summarise {t}",
        "I want to learn about {t}",
        "My favourite is {t}",
        "{t} and {u}",
        "What colour is {t}?",
        "Should I buy {t}?",
        "Where can I find {t}?",
        "Why is {t} so important?",
        "I like {t}",
        "How does {t} work?",
        "What happened to {t}?",
        "Compare {t} with {u}",
        "Sing a song about {t}",
        "Will {t} rain?",
    ),
    "zh": (
        "{t}是什么？",
        "什么是{t}？",
        "介绍一下{t}",
        "{t}的首都是哪里？",
        "写一首关于{t}的诗",
        "讲一个{t}的故事",
        "你喜欢{t}吗？",
        "谁发明了{t}？",
        "{t}多少钱？",
        "{t}和{u}哪个好？",
        "为什么{t}很重要？",
        "{t}在哪里？",
        "怎么学{t}？",
        "你觉得{t}怎么样？",
        "今天{t}怎么样？",
        "把{t}翻译成英文",
        "{t}",
        "谁是{t}？",
    ),
}
OPENERS = {
    "en": ("Hi, ", "Please, ", "So, ", "OK, ", "Hello! ", "Now ", "Tell me: "),
    "zh": ("请问", "你好，", "那么", "请问，"),
}
SYSTEMS = (
    "You are a helpful assistant.",
    "Be brief.",
    "You are a friendly assistant. Answer shortly.",
    "你是一个有用的助手。",
)
ONES = _names(
    "zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|"
    "sixteen|seventeen|eighteen|nineteen"
)
TENS = _names("twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety")
CHINESE_DIGITS = "零一二三四五六七八九"
