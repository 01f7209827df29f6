/** What tests of `docker cp`, `docker compose cp` and `kubectl cp` assert of copies that succeed. */
import { testsOf, type UpstreamCase } from "./UpstreamCase.ts"

const cp = testsOf("moby/moby", "integration-cli/docker_cli_cp_test.go")
const from = testsOf("moby/moby", "integration-cli/docker_cli_cp_from_container_test.go")
const to = testsOf("moby/moby", "integration-cli/docker_cli_cp_to_container_test.go")
const toUnix = testsOf("moby/moby", "integration-cli/docker_cli_cp_to_container_unix_test.go")
const container = testsOf("moby/moby", "integration/container/copy_test.go")
const compose = testsOf("docker/compose", "pkg/e2e/cp_test.go")
const kubectl = testsOf("kubernetes/kubectl", "pkg/cmd/cp/cp_test.go")

const there = 'i sh -c "mkdir $W && cd $W && $TREE"'
const followed =
  /SymlinkToDirX -> dirX\n[\s\S]*\n\.\/dir1\/dir2\/file2-1: file2-1\n[\s\S]*\n\.\/file1: file2\n[\s\S]*\n\.\/fileX: file2\n/
const here = "mkdir $D/here; (cd $D/here; tree)"

/** Paths, links, permissions, archives. What takes longest stands first. */
export const copies: ReadonlyArray<UpstreamCase> = [
  {
    source: from("TestCpFromSymlinkDestination"),
    name: "from: links as destinations, broken ones too, lead to what is written, and stay",
    script: `${there}; ${here}; h=$D/here; c $T:$W/file2 $h/symlinkToFile1; c $T:$W/file2 $h/brokenSymlinkToFileX
c $T:$W/dir2 $h/symlinkToDir1; show $h`,
    fact: { stdout: followed }
  },
  {
    source: to("TestCpToSymlinkDestination"),
    name: "to: links as destinations, broken ones too, lead to what is written, and stay",
    script: `${there}; ${here}; h=$D/here; c $h/file2 $T:$W/symlinkToFile1; c $h/file2 $T:$W/brokenSymlinkToFileX
c $h/dir2 $T:$W/symlinkToDir1
i sh -c "cd $W; $SHOW"`,
    fact: { stdout: followed }
  },
  {
    source: container("TestCopyFromContainer"),
    name: "what an archive has, for paths with and without /, /. and links",
    script: `i sh -c "mkdir -p $W/bar/quux; cd $W/bar; echo world > quux/baz; ln -s notexist notarget
ln -s quux/baz filesymlink; ln -s quux dirsymlink"
for p in quux quux/. filesymlink dirsymlink/ dirsymlink/.; do
echo "$p:" $(c $T:$W/bar/$p - | tar t); done`,
    fact: {
      stdout: `quux: quux/ quux/baz
quux/.: ./ ./baz
filesymlink: filesymlink
dirsymlink/: dirsymlink/ dirsymlink/baz
dirsymlink/.: ./ ./baz
`
    }
  },
  {
    source: cp("TestCpGarbagePath"),
    name: "../ does not lead out of the container",
    script: "c $T:../../../../../../../../../../tmp/file $D; cat $D/file",
    fact: { stdout: "test\n" }
  },
  {
    source: cp("TestCpRelativePath"),
    name: "a relative path starts at the container's root directory",
    on: "terminal",
    script: "i sh -c 'echo relative > '$W; c $T:.$W $D/file; cat $D/file",
    fact: { stdout: "relative\n" }
  },
  {
    source: cp("TestCpFromSymlinkToDirectory"),
    name: "from: a link to a directory is copied, and with / at its end the directory under the link's name",
    script: `${there}; c $T:$W/symlinkToDir1 $D; readlink $D/symlinkToDir1; rm $D/symlinkToDir1
c $T:$W/symlinkToDir1/ $D; show $D`,
    fact: { stdout: "dir1\n./\n./symlinkToDir1/\n./symlinkToDir1/file1-1: file1-1\n" }
  },
  {
    source: cp("TestCpToSymlinkToDirectory"),
    name: "to: a link to a directory is copied, and with / at its end the directory under the link's name",
    script: `${here}; i mkdir $W; c $D/here/symlinkToDir1 $T:$W; i readlink $W/symlinkToDir1; i rm $W/symlinkToDir1
c $D/here/symlinkToDir1/ $T:$W; i sh -c "cd $W; $SHOW"`,
    fact: { stdout: "dir1\n./\n./symlinkToDir1/\n./symlinkToDir1/file1-1: file1-1\n" }
  },
  {
    source: cp("TestCpSymlinkComponent"),
    name: "a link within the path is followed in the container",
    script: "i ln -s /tmp $W; c $T:$W/file $D; cat $D/file",
    fact: { stdout: "test\n" }
  },
  {
    source: cp("TestCpSpecialFiles"),
    name: "hosts and hostname are those of the container",
    on: "user",
    script: "for f in hosts hostname; do c $T:/etc/$f $D; i cat /etc/$f | cmp - $D/$f && echo $f; done",
    fact: { stdout: "hosts\nhostname\n" }
  },
  {
    source: cp("TestCpVolumePath"),
    name: "a mount, and a file in it",
    on: "user",
    script: "c $T:/bind/inside $D; cat $D/inside; c $T:/bind_ro/mounted $D/mounted; show $D/mounted",
    fact: { stdout: "inside\n./\n./deep: deep\n" }
  },
  {
    source: cp("TestCpToDot"),
    name: "to the working directory",
    script: "cd $D; c $T:/tmp/file .; cat file",
    fact: { stdout: "test\n" }
  },
  {
    source: cp("TestCpToStdout"),
    name: "- is an archive on stdout",
    script: "c $T:/tmp/file - | tar tv",
    fact: { stdout: /^-rw\S+ \S+\s+5 .* file\n$/ }
  },
  {
    source: cp("TestCpNameHasColon"),
    name: "a name with colons",
    script: `${there}; i sh -c "echo lololol > $W/te:s:t"; c $T:$W/te:s:t $D; cat $D/te:s:t`,
    fact: { stdout: "lololol\n" }
  },
  {
    source: toUnix("TestCpToContainerWithPermissions"),
    name: "-a keeps owners and modes",
    script: `${here}; i mkdir $W; c -a $D/here/permdirtest $T:$W
i stat -c '%u %g %a' $W/permdirtest $W/permdirtest/permtest`,
    fact: { stdout: "2 2 700\n65534 65534 400\n" }
  },
  {
    source: toUnix("TestCpCheckDestOwnership"),
    name: "without -a root's file belongs to root in a container with another user",
    on: "user",
    script: "echo x > $D/file; c $D/file $T:$W; i stat -c '%u:%g' $W",
    fact: { stdout: "0:0\n" }
  },
  {
    source: container("TestCopyToContainerCopyUIDGID"),
    name: "-a to a container with a user",
    on: "user",
    script: "echo x > $D/file; chown 1234:1234 $D/file; c -a $D/file $T:$W; i stat -c '%u:%g' $W",
    fact: { stdout: /^\d+:\d+\n$/ }
  },
  {
    source: container("TestCopyEmptyFile"),
    name: "an empty file there and back",
    script: `install -m 400 /dev/null $D/empty-file.txt; i mkdir $W; c $D/empty-file.txt $T:$W
i stat -c '%s %a' $W/empty-file.txt; c $T:$W/empty-file.txt $D/back; stat -c '%s %a' $D/back`,
    fact: { stdout: "0 400\n0 400\n" }
  },
  {
    source: testsOf("docker/cli", "cli/command/container/cp_test.go")("TestSplitCpArg"),
    name: "local files with a colon, as absolute and as relative path",
    script: `cd $D; echo x > relative:path; i mkdir $W; c ./relative:path $T:$W; c $D/relative:path $T:$W/absolute
i sh -c "cd $W; $SHOW"`,
    fact: { stdout: "./\n./absolute: x\n./relative:path: x\n" }
  },
  {
    source: compose("TestCopy (one replica)"),
    name: "the named task has the file, and the other one has not",
    script: `echo hello world > $D/cp-me.txt; c $D/cp-me.txt $S.1:$W; task-exec $S.1 cat $W; task-exec $S.2 test -e $W`,
    isOurs: true,
    fact: { end: 1, stdout: "hello world\n" }
  },
  {
    source: kubectl("TestCopyFromPod (path with single quotes)"),
    name: "a path with quotes",
    script: `i sh -c 'mkdir "$1"; echo x > "$1/path'"'"'with'"'"'quotes"' - $W; c "$T:$W/path'with'quotes" $D; show $D`,
    fact: { stdout: "./\n./path'with'quotes: x\n" }
  },
  {
    source: kubectl("TestTarUntar"),
    name: "nested directories, names with *, links to other places, there and back",
    script: `mkdir -p $D/in/some/other $D/in/dir; cd $D/in; echo foobarbaz > foo; echo blah > dir/blah; echo more > some/other/directory
echo glob > 'blah*'; ln -s tmp/gakki gakki; ln -s /tmp/gakki absolute_path; i mkdir $W; c $D/in $T:$W; c $T:$W/in $D/out
show $D/in > $D/1; show $D/out > $D/2; cmp $D/1 $D/2 && cat $D/2`,
    fact: { stdout: /^\.\/\n\.\/absolute_path -> \/tmp\/gakki\n\.\/blah\*: glob\n/ }
  }
]
