// The parts that a form needs only when it is filled. They are loaded then, as one file.
export { InputDocument } from "./document";
export { keepDraft } from "./draft";
export { givenBy, recent } from "./given";
export { Preview } from "./preview";
export { Problems } from "./problems";
export { Result } from "./result";
export { runBlock } from "./run";
export { withoutSecrets } from "./secrets";
export { Snippets } from "./snippets";
export { toLink } from "./text";
