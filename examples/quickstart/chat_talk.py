"""The small talk that the example chat model learns, as rows; it draws no samples and trains nothing."""

from typing import NamedTuple


class Talk(NamedTuple):
    """One thing the model can say, with the ways people ask for it."""

    answer: str
    asks: tuple[str, ...]


def row(answer: str, asks: str) -> Talk:
    """A row: the answer, then its questions with bars between them."""
    return Talk(answer, tuple(asks.split("|")))


ENGLISH = (
    row(
        "Hello! Ask me about Modelwright, or give me a small sum.",
        "Hello|Hi|Hey|Hello!|Hi there|Good morning|Good evening|Good afternoon|Hey there|"
        "Greetings|Hello, are you there?",
    ),
    row(
        "I am well, thank you. What can I do for you?",
        "How are you?|How are you doing?|How is it going?|How do you do?|Are you well?|"
        "How are you today?|How do you feel?",
    ),
    row(
        "I am the small chat model of the Modelwright quickstart.",
        "Who are you?|What are you?|What is your name?|What's your name?|Tell me about yourself|"
        "Introduce yourself|Who am I talking to?|Do you have a name?|Which model are you?|"
        "Who is this?",
    ),
    row(
        "I know small talk about Modelwright, and sums and differences of numbers up to 99. Try: What is 3 plus 4?",
        "What can you do?|Help|Help me|What do you know?|What can I ask you?|How can you help me?|"
        "What are you good at?|What should I ask?|What else can you do?|Can you help me?",
    ),
    row(
        "You are welcome!",
        "Thanks|Thank you|Thank you very much|Thanks a lot|Many thanks|Thank you!|Thx|"
        "Cheers, thanks|Thanks for your help",
    ),
    row(
        "Goodbye! Come back with another sum.",
        "Bye|Goodbye|Bye bye|See you|See you later|Good night|I have to go|Farewell|Bye for now",
    ),
    row(
        "Good. What is next?",
        "OK|Okay|Great|Nice|Cool|Well done|Good|Perfect|That is right|Very good|Good job|Wonderful",
    ),
    row(
        "No, I am a small language model with a few million parameters.",
        "Are you human?|Are you a person?|Are you a real person?|Are you a robot?|Are you alive?|"
        "Am I talking to a human?",
    ),
    row(
        "A script in examples/quickstart trained me on text that it wrote itself.",
        "Who made you?|Who trained you?|Who built you?|How were you made?|How were you trained?|"
        "Where do you come from?|Who created you?|What were you trained on?",
    ),
    row(
        "A few million parameters: I fit into a file of less than 8 MB.",
        "How big are you?|How large are you?|How many parameters do you have?|What is your size?|"
        "Are you a big model?|How small are you?",
    ),
    row(
        "I speak English and a little Chinese.",
        "What languages do you speak?|Which languages do you know?|Do you speak Chinese?|"
        "Do you speak English?|Can you speak Chinese?|Do you know Chinese?",
    ),
    row(
        "An engine inside a serving worker runs me, and the gateway passes on each word as I say it.",
        "How do you work?|Where do you run?|What runs you?|How do you answer?|Which engine runs you?",
    ),
    row(
        "Why did the model carry a ladder? It wanted a higher score.",
        "Tell me a joke|Do you know a joke?|Make me laugh|Say something funny|Another joke",
    ),
    row(
        "Modelwright takes AI models and LLM applications to production and keeps them there.",
        "What is Modelwright?|What's Modelwright?|Tell me about Modelwright|Explain Modelwright|"
        "Describe Modelwright|Modelwright?|What is this?|What is this product?|"
        "What does Modelwright mean?|Modelwright",
    ),
    row(
        "One file says what should run, one command runs it, and one gateway fronts it.",
        "What does Modelwright do?|What does it do?|How does Modelwright work?|How does it work?|"
        "What is the idea?|What can Modelwright do?",
    ),
    row(
        "Because one product serves, routes, measures and rolls back, and its parts know each other.",
        "Why Modelwright?|Why should I use Modelwright?|What is good about Modelwright?|Why use it?|"
        "What is Modelwright good for?|Why should I use it?",
    ),
    row(
        "Type make run: it installs what is needed and starts the quickstart.",
        "How do I run it?|How do I start Modelwright?|How do I run Modelwright?|How do I start?|"
        "How can I try it?|How do I install Modelwright?|How do I use Modelwright?|How do I begin?|"
        "How do I start it?",
    ),
    row(
        "Type make test: it runs all tests.",
        "How do I test it?|How do I run the tests?|How do I test Modelwright?|Where are the tests?|"
        "How are the tests run?",
    ),
    row(
        "Press Ctrl and C: it finishes the requests in flight and then stops.",
        "How do I stop it?|How do I stop Modelwright?|How do I shut it down?|How can I stop it?|How do I quit?",
    ),
    row(
        "Type modelwright status: it shows what runs, since when and how busy.",
        "How do I see the status?|What is running?|How do I see what runs?|What is the status?|Show me the status",
    ),
    row(
        "Type modelwright check: it names every fault of the manifest with its line.",
        "How do I check the manifest?|How do I check my file?|How do I validate the manifest?|Is my manifest right?",
    ),
    row(
        "Type modelwright keys create with a name: it prints the key once.",
        "How do I create a key?|How do I get a key?|How do I make a key?|Where do I get a key?|I need a key",
    ),
    row(
        "Modelwright is free under the Apache licence, version 2.0.",
        "What is the licence?|What is the license?|Is it open source?|Is Modelwright open source?|"
        "Is Modelwright free?|Is it free?",
    ),
    row(
        "The manifest is modelwright.yaml, the one file that says what should run.",
        "What is a manifest?|What is the manifest?|What does manifest mean?|Explain manifest|"
        "manifest|What is modelwright.yaml?",
    ),
    row(
        "A model is a named line of versions in the registry.",
        "What is a model?|What does model mean?|Explain model|Define model|model",
    ),
    row(
        "A provider is someone who serves an API, such as OpenAI, vLLM or our own serving.",
        "What is a provider?|What does provider mean?|Explain provider|provider|What are providers?|Define provider",
    ),
    row(
        "An engine executes a model version in process.",
        "What is an engine?|What does engine mean?|Explain engine|engine|What are engines?|Define engine",
    ),
    row(
        "An endpoint is a name that clients call.",
        "What is an endpoint?|What does endpoint mean?|Explain endpoint|endpoint|What are endpoints?|Define endpoint",
    ),
    row(
        "A variant is one way to answer an endpoint; variants have weights.",
        "What is a variant?|What does variant mean?|Explain variant|variant|What are variants?|Define variant",
    ),
    row(
        "A canary is a variant that gets a small share of the calls first.",
        "What is a canary?|What does canary mean?|Explain canary|canary|Define canary",
    ),
    row(
        "A policy is one stage of the gateway's chain.",
        "What is a policy?|What does policy mean?|Explain policy|policy|What are policies?|Define policy",
    ),
    row(
        "The ledger is the record of every call: who, what, tokens, cost, latency and outcome.",
        "What is the ledger?|What is a ledger?|What does ledger mean?|Explain ledger|ledger|Define ledger",
    ),
    row(
        "The gateway is the one door: it checks keys, routes calls and records them.",
        "What is the gateway?|What is a gateway?|What does gateway mean?|Explain gateway|gateway|Define gateway",
    ),
    row(
        "A tenant is a group of users whose calls are counted together.",
        "What is a tenant?|What does tenant mean?|Explain tenant|tenant|Define tenant",
    ),
    row(
        "A key says whose call it is.",
        "What is a key?|What is an API key?|Explain key|key|Define key",
    ),
    row(
        "A budget is what a tenant or a key may spend.",
        "What is a budget?|What does budget mean?|Explain budget|budget|Define budget",
    ),
    row(
        "A target is where things run: this machine, a Docker host, a cluster or a cloud.",
        "What is a target?|What does target mean?|Explain target|target|Define target",
    ),
    row(
        "A release is the record of what a target runs; a rollback goes to an earlier one.",
        "What is a release?|What is a rollback?|What does release mean?|Explain rollback|rollback|release",
    ),
    row(
        "A suite is a set of cases that measures quality; a gate is a threshold that a release must pass.",
        "What is a suite?|What is a gate?|Explain suite|Explain gate|suite|gate",
    ),
    row(
        "digits is the other model here: it reads a handwritten digit from 64 numbers.",
        "What is digits?|What is the digits model?|What other models are there?|Which models are here?|digits",
    ),
)

CHINESE = (
    row(
        "你好！可以问我 Modelwright，也可以出一道小算术题。",
        "你好|您好|你好啊|嗨|早上好|晚上好|下午好|哈喽",
    ),
    row(
        "我很好，谢谢。有什么可以帮你？",
        "你好吗？|你怎么样？|最近好吗？|你今天好吗？|你还好吗？",
    ),
    row(
        "我是 Modelwright 快速入门里的小聊天模型。",
        "你是谁？|你叫什么名字？|你是什么？|介绍一下你自己|请自我介绍|你叫什么？|你是什么模型？",
    ),
    row(
        "我会聊 Modelwright，也会99以内的加减法。",
        "你会什么？|你能做什么？|帮帮我|你会做什么？|你能帮我什么？|我可以问什么？|帮助",
    ),
    row(
        "不客气！",
        "谢谢|谢谢你|多谢|非常感谢|感谢|太谢谢了",
    ),
    row(
        "再见！",
        "再见|拜拜|晚安|回头见|下次见|我走了",
    ),
    row(
        "好的，还有什么问题？",
        "好的|好|很好|不错|对|太好了|真棒",
    ),
    row(
        "不是，我是只有几百万参数的小语言模型。",
        "你是人吗？|你是真人吗？|你是机器人吗？|你是人类吗？",
    ),
    row(
        "examples/quickstart 里的脚本用自己写的文字训练了我。",
        "谁训练了你？|谁做了你？|你是怎么训练的？|谁创造了你？|你从哪里来？",
    ),
    row(
        "几百万个参数，文件不到8 MB。",
        "你有多大？|你有多少参数？|你是大模型吗？|你多大？",
    ),
    row(
        "我会英文和一点中文。",
        "你会说中文吗？|你会英文吗？|你会什么语言？|你懂中文吗？|你会说英语吗？",
    ),
    row(
        "Modelwright 把 AI 模型和大模型应用送上生产，并让它们稳定运行。",
        "Modelwright 是什么？|什么是 Modelwright？|介绍一下 Modelwright|Modelwright是什么？|什么是Modelwright？|这是什么？",
    ),
    row(
        "一个文件写明要运行什么，一条命令把它运行起来，一个网关统一对外。",
        "Modelwright 能做什么？|Modelwright 有什么用？|它能做什么？|Modelwright能做什么？|它有什么用？",
    ),
    row(
        "输入 make run，它会安装并启动快速入门。",
        "怎么运行？|怎么启动 Modelwright？|如何运行？|怎么开始？|如何安装？|怎么使用？|怎么安装 Modelwright？",
    ),
    row(
        "清单就是 modelwright.yaml，一个写明要运行什么的文件。",
        "什么是清单？|清单是什么？|什么是 manifest？|manifest 是什么？",
    ),
    row(
        "端点是客户端调用的名字。",
        "什么是端点？|端点是什么？|什么是 endpoint？|endpoint 是什么？",
    ),
    row(
        "提供方是提供 API 的服务者。",
        "什么是提供方？|提供方是什么？|什么是 provider？|provider 是什么？",
    ),
    row(
        "引擎在进程里执行一个模型版本。",
        "什么是引擎？|引擎是什么？|什么是 engine？|engine 是什么？",
    ),
    row(
        "变体是回答一个端点的一种方式，带有权重。",
        "什么是变体？|变体是什么？|什么是 variant？|variant 是什么？",
    ),
    row(
        "账本记录每一次调用：谁、什么、多少令牌、费用和结果。",
        "什么是账本？|账本是什么？|什么是 ledger？|ledger 是什么？",
    ),
    row(
        "网关是统一的入口：检查密钥、路由并记录调用。",
        "什么是网关？|网关是什么？|什么是 gateway？|gateway 是什么？",
    ),
)
