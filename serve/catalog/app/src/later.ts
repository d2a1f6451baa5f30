// What the list of blocks and the form of a block can do without: it is loaded behind them.
export { Connect } from "./connect";
export { Confirm, TokenDialog } from "./dialogs";
export { Fill } from "./fill";
export { HistoryPage } from "./history";
export { Preview } from "./preview";
export { Reference } from "./reference";
export { Result } from "./result";
export { keep, runById } from "./runs";
export { Schemas } from "./schemas";
export { Snippets } from "./snippets";
export { WatchPage } from "./watch";
export { RunPage } from "./workflowrun";
export { WorkflowsPage } from "./workflows";
