// Speaks with the back end so that nothing is lost: a question is sent until it has arrived, an answer is read to its end.

export interface Source {
  language: string;
  name: string;
  title: string;
  heading: string;
  text: string;
  nearness: number;
}

export interface Exchange {
  question: string;
  asked: string;
  state: "sending" | "waiting" | "answering" | "done" | "failed" | "refused";
  attempt: number;
  kind: "model" | "quotes" | "nothing" | null;
  notice: "" | "no_model" | "away";
  sources: Source[];
  text: string;
  score: 0 | 1 | null;
}

export interface Conversation {
  id: string;
  title: string;
}

interface Letter {
  conversation: string;
  id: string;
  text: string;
}

const OUTBOX = "outbox";
const SILENCE = 15_000;
const pause = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

// crypto.randomUUID exists on https and localhost only.
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

// Ask until somebody answers: during a deploy, or without a network, that takes a while.
async function call(path: string, init: RequestInit = {}, lost: () => void = () => {}): Promise<Response> {
  for (let wait = 300; ; wait = Math.min(wait * 2, 5000)) {
    try {
      const reply = await fetch(path, { headers: { "content-type": "application/json" }, ...init });
      if (reply.status < 500 && reply.status !== 429) return reply;
    } catch {
      // The network is away.
    }
    lost();
    await pause(wait);
  }
}

export const about = async (): Promise<{ model: boolean | null; release: string }> => (await call("/api/about")).json();
export const conversations = async (): Promise<Conversation[]> => (await call("/api/conversations")).json();
export const exchanges = async (id: string): Promise<Exchange[]> => (await call(`/api/conversations/${id}`)).json();
export const forget = (id: string) => call(`/api/conversations/${id}`, { method: "DELETE" });
export const again = (question: string) => call(`/api/answers/${question}/again`, { method: "POST" });
export const judge = (question: string, score: 0 | 1) =>
  call(`/api/answers/${question}/feedback`, { method: "POST", body: JSON.stringify({ score }) });

// What was asked and has perhaps not arrived; it outlives a reload.
export function outbox(): Letter[] {
  try {
    return JSON.parse(localStorage.getItem(OUTBOX) ?? "[]");
  } catch {
    return [];
  }
}

const keep = (letters: Letter[]) => localStorage.setItem(OUTBOX, JSON.stringify(letters));

// True once it is written down over there; false when it was refused.
export async function send(letter: Letter, lost: () => void): Promise<boolean> {
  keep([...outbox().filter((kept) => kept.id !== letter.id), letter]);
  const body = JSON.stringify({ id: letter.id, text: letter.text });
  const reply = await call(`/api/conversations/${letter.conversation}/questions`, { method: "POST", body }, lost);
  keep(outbox().filter((kept) => kept.id !== letter.id));
  return reply.ok;
}

// Follow an answer until it has ended. Each event says where it stands, so a cut stream goes on behind the last one.
export function follow(exchange: Exchange, changed: () => void, lost: () => void): Promise<void> {
  let last = exchange.attempt > 0 && exchange.kind ? `${exchange.attempt}.${[...exchange.text].length}` : "";
  return new Promise((ended) => {
    let wait = 300;
    const open = () => {
      const stream = new EventSource(`/api/answers/${exchange.question}/events?after=${last}`);
      // A connection can die without a word; the back end says something every few seconds.
      const anew = () => {
        lost();
        stream.close();
        setTimeout(open, (wait = Math.min(wait * 2, 5000)));
      };
      let silence = setTimeout(anew, SILENCE);
      const on = (name: string, take: (value: Partial<Exchange>) => void) =>
        stream.addEventListener(name, (event) => {
          wait = 300;
          clearTimeout(silence);
          silence = setTimeout(anew, SILENCE);
          last = event.lastEventId || last;
          take(JSON.parse(event.data));
          changed();
        });
      on("begin", (value) => Object.assign(exchange, value, { text: "", state: "answering" }));
      on("text", (value) => (exchange.text += value.text ?? ""));
      on("still", () => {});
      on("end", (value) => {
        exchange.state = value.state === "done" ? "done" : "failed";
        clearTimeout(silence);
        stream.close();
        ended();
      });
      stream.onerror = () => {
        lost();
        // The browser goes on by itself, unless somebody has answered with an error.
        if (stream.readyState !== EventSource.CLOSED) return;
        clearTimeout(silence);
        anew();
      };
    };
    open();
  });
}
