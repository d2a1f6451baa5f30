// The imports that the build adds to each file with elements.
export { Fragment, h } from "preact";
