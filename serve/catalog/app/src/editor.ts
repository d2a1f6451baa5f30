// The editor for JSON: CodeMirror, loaded only where a form has a JSON parameter.
import { autocompletion, closeBrackets, type Completion, type CompletionContext } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { json, jsonParseLinter } from "@codemirror/lang-json";
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { linter, setDiagnostics } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { tags } from "@lezer/highlight";

export interface Editor {
  set: (text: string) => void;
  mark: (fault: string | undefined) => void;
  focus: () => void;
  destroy: () => void;
}

interface Options {
  id: string;
  text: string;
  keys: string[];
  nonce: string;
  labelledBy: string;
  describedBy?: string;
  onChange: (text: string) => void;
}

const colors = HighlightStyle.define([
  { tag: tags.propertyName, color: "var(--accent)" },
  { tag: tags.string, color: "var(--text)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--alert)" },
]);

const syntax = jsonParseLinter();

export function mount(parent: HTMLElement, options: Options): Editor {
  const attributes: Record<string, string> = {
    id: options.id,
    "aria-labelledby": options.labelledBy,
    spellcheck: "false",
  };
  if (options.describedBy) attributes["aria-describedby"] = options.describedBy;
  let setting = false;
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: options.text,
      extensions: [
        history(),
        json(),
        // An empty field is a parameter that is not given, which is not a fault.
        linter((v) => (v.state.doc.toString().trim() === "" ? [] : syntax(v)), { delay: 300 }),
        indentOnInput(),
        bracketMatching(),
        closeBrackets(),
        autocompletion({ override: [(context) => complete(context, options.keys)] }),
        keymap.of([...defaultKeymap, ...historyKeymap]), // Tab still leaves the field
        EditorView.lineWrapping,
        EditorView.cspNonce.of(options.nonce),
        EditorView.contentAttributes.of(attributes),
        EditorView.updateListener.of((u) => {
          if (u.docChanged && !setting) options.onChange(u.state.doc.toString());
        }),
        syntaxHighlighting(colors),
      ],
    }),
  });
  return {
    set: (text) => {
      const have = view.state.doc.toString();
      if (text === have || (text === "" && have.trim() === "")) return;
      setting = true;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
      setting = false;
    },
    mark: (fault) => {
      view.contentDOM.setAttribute("aria-invalid", String(fault !== undefined));
      if (!fault) view.dispatch(setDiagnostics(view.state, []));
    },
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  };
}

// complete offers the names of known members wherever a name is allowed, with or without an opening quote.
function complete(context: CompletionContext, keys: string[]) {
  const word = context.matchBefore(/[{,]\s*"?[\w$]*/);
  if (!word || keys.length === 0) return null;
  const apply = (view: EditorView, { label }: Completion, from: number, to: number) => {
    const quoted = view.state.sliceDoc(from - 1, from) === '"';
    const closed = view.state.sliceDoc(to, to + 1) === '"'; // added by closeBrackets
    const insert = `"${label}": `;
    from -= Number(quoted);
    view.dispatch({
      changes: { from, to: to + Number(quoted && closed), insert },
      selection: { anchor: from + insert.length },
    });
  };
  return {
    from: word.from + word.text.search(/[\w$]*$/),
    options: [...new Set(keys)].map((label) => ({ label, apply })),
    validFor: /^[\w$]*$/,
  };
}
