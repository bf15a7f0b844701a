// The page: a list of conversations, the open one, and where questions are typed.

import { about, conversations, exchanges, follow, forget, newId, outbox, send, type Exchange } from "./api";
import "./style.css";
import { Card, make } from "./view";
import { examples, language, speak, toggle, word } from "./words";

const at = <Kind extends HTMLElement>(id: string) => document.getElementById(id) as Kind;
const talk = at("talk");
const form = at<HTMLFormElement>("form");
const text = at<HTMLTextAreaElement>("text");

let current = "";
let cards: Card[] = [];

// The open conversation stands in the address, so that a reload or a bookmark leads back to it.
const named = () => /^#\/([0-9a-f-]{36})$/.exec(location.hash)?.[1] ?? "";

function watch(card: Card): void {
  const changed = () => {
    card.lost = false;
    card.change();
    stay();
  };
  const lost = () => {
    card.lost = true;
    card.change();
  };
  void follow(card.exchange, changed, lost).then(look);
}

function add(exchange: Exchange): Card {
  const card = new Card(exchange, () => watch(card));
  cards.push(card);
  talk.querySelector(".hello")?.remove();
  talk.append(card.element);
  return card;
}

async function post(conversation: string, id: string, question: string): Promise<void> {
  const exchange: Exchange = {
    question: id, asked: question, state: "sending", attempt: 0, kind: null, notice: "", sources: [], text: "", score: null,
  };
  const card = add(exchange);
  talk.scrollTo({ top: talk.scrollHeight, behavior: "smooth" });
  const arrived = await send({ conversation, id, text: question }, () => {
    card.lost = true;
    card.change();
  });
  card.lost = false;
  exchange.state = arrived ? "waiting" : "refused";
  card.change();
  if (!arrived) return;
  watch(card);
  void list();
}

function ask(question: string): void {
  if (!current) {
    current = newId();
    history.replaceState(null, "", `#/${current}`);
  }
  void post(current, newId(), question);
}

async function open(id: string): Promise<void> {
  current = id;
  const found = id ? await exchanges(id) : [];
  if (current !== id) return;
  cards = [];
  talk.replaceChildren();
  for (const exchange of found) {
    const card = add(exchange);
    if (exchange.state === "waiting" || exchange.state === "answering") watch(card);
  }
  const kept = new Set(found.map((exchange) => exchange.question));
  for (const letter of outbox())
    if (letter.conversation === id && !kept.has(letter.id)) void post(id, letter.id, letter.text);
  if (cards.length === 0) talk.append(hello());
  talk.scrollTop = talk.scrollHeight;
  void list();
}

function hello(): HTMLElement {
  const buttons = examples[language].map((question) => {
    const button = make("button", "", question);
    button.addEventListener("click", () => ask(question));
    return button;
  });
  return make("div", "hello", make("h1", "", word("hello")), make("p", "", word("about")), make("div", "ideas", ...buttons));
}

async function list(): Promise<void> {
  const found = await conversations();
  at("list").replaceChildren(
    ...found.map(({ id, title }) => {
      const link = make("a", id === current ? "here" : "", make("span", "", title));
      link.href = `#/${id}`;
      const remove = make("button", "remove", "×");
      remove.title = word("remove");
      remove.setAttribute("aria-label", word("remove"));
      remove.addEventListener("click", (event) => {
        event.preventDefault();
        if (!confirm(word("sure"))) return;
        void forget(id).then(() => {
          if (id === current) location.hash = "";
          void list();
        });
      });
      link.append(remove);
      return link;
    }),
  );
}

// Keep the end in view, unless somebody reads further up.
function stay(): void {
  if (talk.scrollHeight - talk.scrollTop - talk.clientHeight < 160)
    requestAnimationFrame(() => talk.scrollTo({ top: talk.scrollHeight }));
}

function say(): void {
  speak();
  text.placeholder = word("ask");
  at("send").setAttribute("aria-label", word("send"));
  at("language").textContent = language === "zh" ? "English" : "中文";
  at("banner").textContent = word("banner");
  for (const card of cards) card.draw();
  talk.querySelector(".hello")?.replaceWith(hello());
}

async function look(): Promise<void> {
  const { model, release } = await about();
  at("banner").hidden = model !== false;
  at("release").textContent = release;
}

const grow = () => {
  text.style.height = "auto";
  text.style.height = `${Math.min(text.scrollHeight, 180)}px`;
};

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const question = text.value.trim();
  if (!question) return;
  text.value = "";
  grow();
  ask(question);
});
text.addEventListener("input", grow);
text.addEventListener("keydown", (event) => {
  // While Chinese is being typed, Enter chooses a word.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});
at("new").addEventListener("click", () => {
  location.hash = "";
  text.focus();
});
at("language").addEventListener("click", () => {
  toggle();
  say();
  void list();
});
window.addEventListener("hashchange", () => void (named() === current ? undefined : open(named())));

say();
void open(named());
void look();
setInterval(() => void look(), 60_000);
