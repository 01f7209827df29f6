/** The name by which docker calls the program as a plugin. */
import { basename } from "node:path"

/** The name of the plugin of the docker CLI, and of its file. */
export const pluginName = "taskexec"
export const pluginFile = `docker-${pluginName}`

/** Whether docker calls the program that is started by this name. */
export const isDockerPlugin = (program: string | undefined): boolean => basename(program ?? "") === pluginFile
