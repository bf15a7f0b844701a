// Every text of the page, in both languages.

export type Language = "en" | "zh";

const en = {
  title: "Knowledge base",
  fresh: "New conversation",
  ask: "Ask about running AI in production …",
  send: "Send",
  small: "Answers rest on the documents of this knowledge base. Look at the sources.",
  hello: "What would you like to know?",
  about: "Questions are answered from the documents, with the passages they rest on.",
  banner: "No language model is configured. Answers quote the passages that fit best.",
  no_model: "Quoted passages · no language model is configured",
  away: "Quoted passages · the language model does not answer at the moment",
  nothing: "Nothing found in the documents",
  model: "Written by a language model from the sources below",
  sources: "Sources",
  near: "match",
  good: "Good answer",
  bad: "Bad answer",
  thanks: "Thank you",
  thinking: "Looking through the documents …",
  sending: "Sending …",
  offline: "Connection lost. Going on as soon as it is back …",
  failed: "This answer could not be made.",
  again: "Try again",
  remove: "Delete conversation",
  sure: "Delete this conversation for good?",
  refused: "This question was refused.",
};

const zh: typeof en = {
  title: "知识库",
  fresh: "新对话",
  ask: "询问与 AI 生产运行有关的问题……",
  send: "发送",
  small: "回答以本知识库的文档为依据，请查看来源。",
  hello: "您想了解什么？",
  about: "根据文档回答问题，并列出所依据的段落。",
  banner: "没有配置语言模型，回答将引用最相关的段落。",
  no_model: "引用段落 · 没有配置语言模型",
  away: "引用段落 · 语言模型暂时没有响应",
  nothing: "文档中没有相关内容",
  model: "由语言模型根据下列来源撰写",
  sources: "来源",
  near: "匹配",
  good: "回答得好",
  bad: "回答得不好",
  thanks: "谢谢",
  thinking: "正在查找文档……",
  sending: "正在发送……",
  offline: "连接已断开，恢复后会自动继续……",
  failed: "无法生成这个回答。",
  again: "重试",
  remove: "删除对话",
  sure: "永久删除这个对话？",
  refused: "这个问题被拒绝了。",
};

export const examples: Record<Language, string[]> = {
  en: [
    "When should a canary be stopped?",
    "How should secrets get into a container?",
    "Is quantisation worth it?",
    "What must a rollback not lose?",
  ],
  zh: ["什么时候应该停止金丝雀发布？", "数据库迁移什么时候运行？", "量化会损失准确率吗？", "怎样让流式回答不被代理缓冲？"],
};

const stored = localStorage.getItem("language");
export let language: Language =
  stored === "en" || stored === "zh" ? stored : navigator.language.startsWith("zh") ? "zh" : "en";

export const word = (name: keyof typeof en): string => (language === "zh" ? zh : en)[name];

export function toggle(): void {
  language = language === "zh" ? "en" : "zh";
  localStorage.setItem("language", language);
}

// Everything in the page's frame that carries a text.
export function speak(): void {
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  document.title = word("title");
  for (const element of document.querySelectorAll<HTMLElement>("[data-word]"))
    element.textContent = word(element.dataset.word as keyof typeof en);
}
