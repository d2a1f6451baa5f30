// The questions that the page asks: for the token, and before something that cannot be undone.
import { type ComponentChildren, render, type VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { keepToken } from "./api";
import type { Source } from "./types";
import { Button } from "./ui";

// ask shows a dialog, and returns the answer that closes it.
function ask<T>(dialog: (answer: (value: T) => void) => VNode): Promise<T> {
  return new Promise((resolve) => {
    const place = document.body.appendChild(document.createElement("div"));
    const answer = (value: T) => {
      render(null, place);
      place.remove();
      resolve(value);
    };
    render(dialog(answer), place);
  });
}

// Dialog is open for as long as it is mounted.
function Dialog({ title, close, children }: { title: string; close?: () => void; children: ComponentChildren }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    ref.current!.showModal();
    return () => before?.focus();
  }, []);
  return (
    <dialog ref={ref} closedby={close ? "closerequest" : "none"} onClose={close} aria-labelledby="dialog-title">
      <h2 id="dialog-title">{title}</h2>
      {children}
    </dialog>
  );
}

let token: Promise<void> | undefined; // the dialog that is open, shared by all requests that need a token

// askForToken asks the user for the token of the server, once for all requests that wait for it.
export function askForToken(wrong: boolean): Promise<void> {
  token ??= ask<void>((answer) => <TokenDialog wrong={wrong} done={answer} />).finally(() => (token = undefined));
  return token;
}

function TokenDialog({ wrong, done }: { wrong: boolean; done: () => void }) {
  const submit = (e: Event) => {
    e.preventDefault();
    const input = (e.currentTarget as HTMLFormElement).elements.namedItem("token") as HTMLInputElement;
    if (!input.value.trim()) return;
    keepToken(input.value.trim());
    done();
  };
  return (
    <Dialog title="This server asks for a token">
      <form onSubmit={submit}>
        <p>
          It is in <code>SEGMENT_BLOCKS_TOKEN</code> or in the token file of the server. This page keeps it until you
          close the tab.
        </p>
        {wrong && (
          <p class="fault" role="alert">
            This token is not valid.
          </p>
        )}
        <label for="token">Token</label>
        <input
          id="token"
          name="token"
          type="password"
          autocomplete="off"
          required
          pattern="\s*[!-~]+\s*"
          title="Visible ASCII characters only"
        />
        <p class="actions">
          <button class="primary">Open the catalog</button>
        </p>
      </form>
    </Dialog>
  );
}

interface Question {
  title: string;
  text: ComponentChildren;
  no: string;
  yes: string;
}

// confirmed asks before something that cannot be undone.
export function confirmed({ title, text, no, yes }: Question): Promise<boolean> {
  return ask<boolean>((answer) => (
    <Dialog title={title} close={() => answer(false)}>
      {text}
      <p class="actions">
        <Button class="" onClick={() => answer(false)}>
          {no}
        </Button>
        <Button class="danger" onClick={() => answer(true)}>
          {yes}
        </Button>
      </p>
    </Dialog>
  ));
}

const key = "segment-blocks.confirmed";

// confirmedSource asks before the first run against a real source, once per source and session.
export async function confirmedSource(source?: Source): Promise<boolean> {
  const names = JSON.parse(sessionStorage.getItem(key) ?? "[]") as string[];
  if (!source || source.emulated || names.includes(source.name)) return true;
  const text = (
    <>
      <p>
        <strong>{source.name || "The source"}</strong> is a real source. The event goes to{" "}
        <code>{source.endpoint || "the real receiver"}</code>, and you cannot undo it.
      </p>
      <p class="hint">The page asks once for each source, until you close this tab.</p>
    </>
  );
  const yes = await confirmed({ title: "Send a real event?", text, no: "Do not send", yes: "Send it" });
  if (yes) sessionStorage.setItem(key, JSON.stringify([...names, source.name]));
  return yes;
}
