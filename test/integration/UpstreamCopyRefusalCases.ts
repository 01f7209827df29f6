/** What tests of `docker cp` and `kubectl cp` assert of copies that are refused. */
import { testsOf, type UpstreamCase } from "./UpstreamCase.ts"

const from = testsOf("moby/moby", "integration-cli/docker_cli_cp_from_container_test.go")
const to = testsOf("moby/moby", "integration-cli/docker_cli_cp_to_container_test.go")
const container = testsOf("moby/moby", "integration/container/copy_test.go")
const parse = testsOf("docker/cli", "cli/command/container/cp_test.go")
const kubectl = testsOf("kubernetes/kubectl", "pkg/cmd/cp/cp_test.go")

const usage = (says: RegExp) => ({ code: 2, says })
const failed = (says: RegExp) => ({ code: 125, says })
const prepared = "mkdir $D/dir; echo x > $D/file; echo x > $D/dir/inner"

/** Paths that cannot be copied, but for those of `Copy.test.ts`. */
export const copyRefusals: ReadonlyArray<UpstreamCase> = [
  {
    source: parse("TestRunCopyWithInvalidArguments"),
    name: "two containers",
    script: "c first:/path second:/path",
    failure: usage(/only one of the two paths|between/)
  },
  {
    source: parse("TestRunCopyFromContainerToFilesystemMissingDestinationDirectory"),
    name: "from: a destination whose folder is missing",
    script: "c $T:/tmp/file $D/missing/foo",
    failure: failed(/missing: no such file or directory/)
  },
  {
    source: parse("TestRunCopyToContainerFromFileWithTrailingSlash"),
    name: "to: a file with / at its end",
    script: `${prepared}; c $D/file/ $T:/tmp`,
    failure: failed(/not a directory/)
  },
  {
    source: parse("TestRunCopyFromContainerToFilesystemIrregularDestination"),
    name: "from: a device as destination",
    script: "c $T:/tmp/file /dev/random",
    failure: failed(/\/dev\/random/)
  },
  {
    source: from("TestCpFromCaseB"),
    name: "from: a file to a directory that is not there",
    script: "c $T:/tmp/file $D/testDir/",
    failure: failed(/testDir\/: no such directory/)
  },
  {
    source: from("TestCpFromCaseI"),
    name: "from: a directory's content to a file",
    script: `${prepared}; c $T:/etc/. $D/file`,
    failure: failed(/the destination is a file/)
  },
  {
    source: to("TestCpToCaseB"),
    name: "to: a file to a directory that is not there",
    script: `${prepared}; c $D/file $T:/tmp/testDir/`,
    failure: failed(/testDir\/: no such directory/)
  },
  {
    source: to("TestCpToCaseF"),
    name: "to: a directory to a file",
    script: `${prepared}; c $D/dir $T:/tmp/file`,
    failure: failed(/the destination is a file/)
  },
  {
    source: to("TestCpToCaseI"),
    name: "to: a directory's content to a file",
    script: `${prepared}; c $D/dir/. $T:/tmp/file`,
    failure: failed(/the destination is a file/)
  },
  {
    source: to("TestCpToErrReadOnlyRootfs"),
    name: "to: a read-only container",
    on: "restricted",
    script: `${prepared}; c $D/file $T:/root/shouldNotExist`,
    failure: failed(/read-only/)
  },
  {
    source: to("TestCpToErrReadOnlyVolume"),
    name: "to: a read-only mount",
    on: "user",
    script: `${prepared}; c $D/file $T:/bind_ro/shouldNotExist`,
    failure: failed(/read-only/)
  },
  {
    source: container("TestCopyFromContainerPathIsNotDir (trailing separator)"),
    name: "from: a file with / at its end",
    script: "c $T:/etc/passwd/ $D",
    failure: failed(/not a directory/)
  },
  {
    source: container("TestCopyFromContainerPathIsNotDir (trailing dot)"),
    name: "from: a file with /. at its end",
    script: "c $T:/etc/passwd/. $D",
    failure: failed(/not a directory|no such file/)
  },
  {
    source: container("TestCopyToContainerPathDoesNotExist"),
    name: "to: a folder that is not there",
    script: `${prepared}; c $D/file $T:/dne/file`,
    failure: failed(/:\/dne on node .*: no such file or directory/)
  },
  {
    source: container("TestCopyToContainerPathIsNotDir"),
    name: "to: a file with / at its end as destination",
    script: `${prepared}; c $D/file $T:/etc/passwd/`,
    failure: failed(/no such directory/)
  },
  {
    source: kubectl("TestExtractFileSpec"),
    name: "a path that begins with a colon",
    script: "c :file:not:exist:in:local:filesystem $D",
    failure: usage(/./)
  },
  {
    source: kubectl("TestValidate"),
    name: "three paths",
    script: "c 1 2 3",
    failure: usage(/\nSee 'task-exec cp --help'\.\n$/)
  },
  {
    source: kubectl("TestCopyFromPod (empty path)"),
    name: "from: an empty destination",
    script: "c $T:/tmp/file ''",
    failure: usage(/./)
  },
  {
    source: kubectl("TestCopyToPod (empty file name)"),
    name: "to: an empty destination",
    script: `${prepared}; c $D/file $T:`,
    failure: usage(/./)
  }
]
