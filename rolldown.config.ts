import { defineConfig } from "rolldown"
export default defineConfig([])
