// Draws one question with its answer, and again whenever it has changed.

import { again, judge, type Exchange } from "./api";
import { cited, shown } from "./markdown";
import { word } from "./words";

const THUMB = `<svg viewBox="0 0 24 24" width="17" height="17" aria-hidden="true"><path d="M7 10v11H4a1 1 0 0 1-1-1v-9a1 1 0 0 1 1-1zm0 0 4-7a2.6 2.6 0 0 1 2.6 3L13 9h6a2 2 0 0 1 2 2.3l-1.3 8A2 2 0 0 1 17.7 21H7"/></svg>`;

export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  className = "",
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  made.className = className;
  made.append(...children);
  return made;
}

export class Card {
  readonly element = make("article", "exchange");
  private readonly question = make("div", "question");
  private readonly badge = make("div", "badge");
  private readonly answer = make("div", "answer");
  private readonly status = make("div", "status");
  private readonly sources = make("details", "sources");
  private readonly tools = make("div", "tools");
  private due = false;
  lost = false;

  constructor(
    readonly exchange: Exchange,
    private readonly retried: () => void,
  ) {
    this.question.textContent = exchange.asked;
    const reply = make("div", "reply", this.badge, this.answer, this.status, this.sources, this.tools);
    this.element.append(this.question, reply);
    this.draw();
  }

  // At most once per frame, however fast words come.
  change(): void {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.draw();
    });
  }

  draw(): void {
    const { exchange } = this;
    const open = exchange.state === "waiting" || exchange.state === "answering" || exchange.state === "sending";
    this.badge.textContent = this.kind();
    this.badge.dataset.kind = exchange.kind ?? "";
    this.badge.hidden = !exchange.kind;
    const text = shown(exchange.text);
    cited(text, exchange.sources.length, (number) => this.show(number));
    this.answer.replaceChildren(text);
    this.answer.classList.toggle("open", open && exchange.text !== "");
    this.status.replaceChildren(...this.told(open));
    this.drawSources();
    this.tools.replaceChildren(...(exchange.state === "done" ? [this.thumb(1), this.thumb(0)] : []));
  }

  private kind(): string {
    const { kind, notice } = this.exchange;
    if (kind === "quotes") return word(notice === "away" ? "away" : "no_model");
    return kind ? word(kind) : "";
  }

  private told(open: boolean): (Node | string)[] {
    const { exchange } = this;
    if (exchange.state === "refused") return [word("refused")];
    if (exchange.state === "failed") {
      const button = make("button", "again", word("again"));
      button.addEventListener("click", () => {
        exchange.state = "waiting";
        this.draw();
        void again(exchange.question).then(this.retried);
      });
      return [word("failed"), " ", button];
    }
    if (!open) return [];
    if (this.lost) return [make("span", "dots"), word("offline")];
    if (exchange.text) return [];
    return [make("span", "dots"), word(exchange.state === "sending" ? "sending" : "thinking")];
  }

  private drawSources(): void {
    const { sources, state } = this.exchange;
    this.sources.hidden = sources.length === 0 || state === "sending";
    const summary = make("summary", "", `${word("sources")} · ${sources.length}`);
    const items = sources.map((source, index) =>
      make(
        "li",
        "",
        make("span", "number", String(index + 1)),
        make(
          "div",
          "",
          make("div", "where", make("strong", "", source.title), ` · ${source.heading}`),
          make("p", "", shown(source.text)),
        ),
        make("span", "near", `${Math.round(source.nearness * 100)} % ${word("near")}`),
      ),
    );
    this.sources.replaceChildren(summary, make("ol", "", ...items));
  }

  private show(number: number): void {
    this.sources.open = true;
    const item = this.sources.querySelectorAll("li")[number - 1];
    item?.scrollIntoView({ block: "nearest", behavior: "smooth" });
    item?.animate([{ background: "var(--mark)" }, { background: "transparent" }], 1600);
  }

  private thumb(score: 0 | 1): HTMLButtonElement {
    const { exchange } = this;
    const button = make("button", score ? "thumb" : "thumb down");
    button.innerHTML = THUMB;
    button.title = word(score ? "good" : "bad");
    button.setAttribute("aria-label", button.title);
    button.setAttribute("aria-pressed", String(exchange.score === score));
    button.addEventListener("click", () => {
      exchange.score = score;
      this.draw();
      void judge(exchange.question, score);
    });
    return button;
  }
}
