// What the build puts in front of a file with elements.
export { Fragment, h } from "preact";
