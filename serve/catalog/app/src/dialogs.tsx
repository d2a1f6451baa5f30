// The questions that the page asks: for the token, and before something real happens.
import { giveToken } from "./api";
import { Dialog } from "./show";
import type { Source } from "./types";

export function TokenDialog({ wrong }: { wrong: boolean }) {
  const submit = (e: Event) => {
    e.preventDefault();
    const input = (e.currentTarget as HTMLFormElement).elements.namedItem("token") as HTMLInputElement;
    if (input.value.trim()) giveToken(input.value.trim());
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
        <input id="token" name="token" type="password" autocomplete="off" required />
        <p class="actions">
          <button class="primary">Open the catalog</button>
        </p>
      </form>
    </Dialog>
  );
}

export function Confirm({ source, send, close }: { source?: Source; send: () => void; close: () => void }) {
  return (
    <Dialog title="Send a real event?" close={close}>
      <p>
        <strong>{source?.name || "The source"}</strong> is a real source. The event goes to{" "}
        <code>{source?.endpoint ?? "the real receiver"}</code>, and you cannot undo it.
      </p>
      <p class="hint">The page asks once for each source, until you close this tab.</p>
      <p class="actions">
        <button type="button" onClick={close}>
          Do not send
        </button>
        <button type="button" class="danger" onClick={send}>
          Send it
        </button>
      </p>
    </Dialog>
  );
}
