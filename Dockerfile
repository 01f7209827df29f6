# The image of the helper, of task-exec and of swarm-exec: Node, five files, a license. No shell is needed in the base, or used.
#   npm run build && docker build --tag task-exec .
# `npm run image -- REF` does the same without a docker client, and without a registry: it makes a base of 122 MB itself.
ARG BASE=node:26-slim
FROM ${BASE}
LABEL org.opencontainers.image.title="task-exec" \
      org.opencontainers.image.description="docker service exec: run a command in the container of any Docker Swarm task" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production
# docker run IMAGE VERB and docker run IMAGE task-exec VERB are task-exec; docker run IMAGE swarm-exec is the Skopos plugin.
# As the programs start themselves: with little room for garbage, and no argument taken for one of Node's.
ENTRYPOINT ["node", "--max-semi-space-size=1", "--no-concurrent-recompilation", "--", "/opt/task-exec/image-start.cjs"]
# What changes with each build comes last: a push then sends only that.
COPY LICENSE /opt/task-exec/
COPY dist/agent-entry.cjs dist/image-serve.cjs dist/image-start.cjs dist/swarm-exec.cjs /opt/task-exec/
# Compiles what serves runs, for these options, and shows that the base can run ours. The result is only read afterwards: it works on
# a read-only root filesystem. A node with another kind of CPU does without it.
RUN ["node", "--max-semi-space-size=1", "--no-concurrent-recompilation", "--", "/opt/task-exec/image-start.cjs", "--compile", "version"]
