// Rules for TypeScript and JavaScript. Each exception has its reason beside it.
import prettier from "eslint-config-prettier";
import tseslint from "typescript-eslint";

const globals = {
  AbortController: "readonly",
  AbortSignal: "readonly",
  Buffer: "readonly",
  TextDecoder: "readonly",
  TextEncoder: "readonly",
  URL: "readonly",
  clearInterval: "readonly",
  clearTimeout: "readonly",
  console: "readonly",
  fetch: "readonly",
  performance: "readonly",
  process: "readonly",
  setImmediate: "readonly",
  setInterval: "readonly",
  setTimeout: "readonly",
  structuredClone: "readonly",
};

const house = {
  eqeqeq: "error",
  "no-console": "error",
  "no-var": "error",
  "prefer-const": "error",
  "no-undef": "error",
  "no-restricted-syntax": [
    "error",
    { selector: "ExportDefaultDeclaration", message: "Export by name." },
  ],
};

export default [
  {
    ignores: [
      "build/",
      "dist/",
      "node/dist/",
      "node/native/",
      "node_modules/",
      ".venv/",
      "third_party/",
    ],
  },
  {
    files: ["**/*.js", "**/*.mjs", "**/*.cjs"],
    languageOptions: { globals, ecmaVersion: 2023 },
    rules: { ...house, "no-unused-vars": "error" },
  },
  {
    files: ["**/*.cjs"],
    languageOptions: {
      sourceType: "commonjs",
      globals: { ...globals, require: "readonly", module: "writable", __dirname: "readonly" },
    },
  },
  ...tseslint.configs.strictTypeChecked.map((config) => ({
    ...config,
    files: ["**/*.ts", "**/*.cts", "**/*.mts"],
  })),
  {
    files: ["**/*.ts", "**/*.cts", "**/*.mts"],
    languageOptions: {
      parserOptions: {
        project: [
          "node/tsconfig.esm.json",
          "node/tsconfig.tests.json",
          "examples/nestjs/tsconfig.json",
        ],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      ...house,
      "no-undef": "off", // the compiler knows better
      // Numbers in templates are what messages are made of.
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      // Plain JavaScript calls us too: what the types exclude is still checked, and refused with a message.
      "@typescript-eslint/no-unnecessary-condition": "off",
      "@typescript-eslint/no-unnecessary-type-conversion": "off",
      // `() => emitter.emit(...)` reads better than braces around it.
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "max-lines-per-function": ["error", { max: 70 }],
      // Type parameters used once are how BullMQ users write Queue<Data, Result>.
      "@typescript-eslint/no-unnecessary-type-parameters": "off",
    },
  },
  {
    // A sandboxed processor is its file's default export, as in BullMQ.
    files: [
      "tests/node/fixtures/sandbox/**",
      "examples/**/processor*.mjs",
      "tests/crash/sandbox-processor.mjs",
    ],
    rules: { "no-restricted-syntax": "off" },
  },
  {
    // Nest's modules are classes, empty but for their decorators.
    files: ["node/src/contrib/nestjs.ts", "tests/node/nestjs.test.ts", "examples/nestjs/**"],
    rules: {
      "@typescript-eslint/no-extraneous-class": "off",
      "@typescript-eslint/no-unsafe-class-instance-assignment": "off",
    },
  },
  {
    // The addon hands over enums as numbers; these files are where numbers become enums.
    files: ["node/src/wire*.ts"],
    rules: { "@typescript-eslint/no-unsafe-enum-assignment": "off" },
  },
  {
    files: ["**/*.cts"],
    rules: { "@typescript-eslint/no-require-imports": "off" }, // these files are CommonJS in order to use require
  },
  {
    // Programs that people run print.
    files: [
      "node/src/cli.ts",
      "node/src/cli/**",
      "examples/**",
      "tests/**",
      "tools/**",
      "eslint.config.js",
    ],
    rules: { "no-console": "off" },
  },
  {
    // node:test returns promises nobody needs to await, and tests reach where users must not.
    files: ["tests/**/*.ts", "tests/**/*.mts", "tests/**/*.cts"],
    plugins: { "@typescript-eslint": tseslint.plugin },
    rules: {
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            {
              from: "package",
              name: [
                "test",
                "it",
                "describe",
                "suite",
                "before",
                "after",
                "beforeEach",
                "afterEach",
              ],
              package: "node:test",
            },
          ],
        },
      ],
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-return": "off",
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/require-await": "off", // a processor is async even when the test's has nothing to wait for
      "max-lines-per-function": "off", // a suite is one function
    },
  },
  {
    // Type tests mention expressions for their types alone.
    files: ["tests/node/types.ts"],
    rules: {
      "@typescript-eslint/no-unused-expressions": "off",
      "@typescript-eslint/no-meaningless-void-operator": "off",
    },
  },
  {
    // The tools' configuration format asks for a default export.
    files: ["eslint.config.js"],
    rules: { "no-restricted-syntax": "off" },
  },
  prettier,
];
