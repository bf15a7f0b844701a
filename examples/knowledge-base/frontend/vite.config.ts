import { defineConfig } from "vite";

// Rollup is its WebAssembly build (`overrides` in package.json): one package for all platforms, so one lock for all.
// In development the page comes from Vite, and what it asks for from the back end.
export default defineConfig({
  server: { proxy: { "/api": process.env.BACKEND ?? "http://127.0.0.1:8080" } },
});
