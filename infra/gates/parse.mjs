// Parses JSONata with its reference implementation. Standard input: a JSON list of expressions. Standard output: for each its syntax tree or the error,
// and which of the variables in it that implementation defines itself.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const jsonata = createRequire(process.argv[2] + "/")("jsonata");

function names(node, found) {
  if (node && typeof node === "object") {
    if (node.type === "variable") found.add(node.value);
    Object.values(node).forEach((child) => names(child, found));
  }
  return found;
}

async function parse(text) {
  try {
    const tree = jsonata(text).ast();
    const builtin = [];
    for (const name of names(tree, new Set())) {
      if (/^[A-Za-z]\w*$/.test(name) && (await jsonata(`$exists($${name})`).evaluate({}))) builtin.push(name);
    }
    return { tree, builtin };
  } catch (error) {
    return { error: `${error.message} (${error.code}, position ${error.position})` };
  }
}

const expressions = JSON.parse(readFileSync(0, "utf-8"));
process.stdout.write(JSON.stringify(await Promise.all(expressions.map(parse))));
