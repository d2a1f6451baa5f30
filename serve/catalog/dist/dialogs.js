import{a,b,c}from"./shared4.js";import"./shared1.js";export{a as askForToken,b as confirmed,c as confirmedSource};
