// The screens beside the list of blocks, which are loaded when one of them is opened.
export { BlockPage } from "./block";
export { HistoryPage } from "./history";
export { WatchPage } from "./watch";
