// The parts that a form needs only when it is filled. They are loaded then, as one file.
export { InputDocument } from "./document";
export { keepDraft } from "./draft";
export { givenBy, linkTo, recent } from "./given";
export { Preview } from "./preview";
export { Problems } from "./problems";
export { Result } from "./result";
export { runBlock } from "./run";
export { Snippets } from "./snippets";
