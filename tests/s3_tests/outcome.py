"""What a run found, compared with what the repository keeps about earlier runs."""

from pathlib import Path

HERE = Path(__file__).resolve().parent
LISTS = {
    "moto": HERE / "must_pass.txt",
    "folder": HERE / "must_pass_folder.txt",
    "none": HERE / "bare_moto.txt",
}


class Outcome:
    """The tests of one run. A test passes by its body; a bucket that it could not remove afterwards is named apart."""

    def __init__(self, store, found, whole):
        self.store, self.whole = store, whole
        self.tests, self.left_out = found["tests"], found["left_out"]
        self.passed = {name for name, test in self.tests.items() if test.get("call") == "passed"}
        self.listed = read_list(LISTS[store])

    def print_selection(self, groups):
        print(f"\nselected {len(self.tests)} tests, left out {sum(self.left_out.values())}:")
        for one in groups:
            if one.name in self.left_out:
                print(f"  {self.left_out[one.name]:4} {one.name}: {one.reason}")

    def print_comparison(self):
        print(f"\n{len(self.passed)} of {len(self.tests)} pass")
        uncleared = {name for name, test in self.tests.items() if test.get("teardown") != "passed"}
        self._print("left buckets behind", uncleared)
        self._print(f"not in {LISTS[self.store].name} and pass", self.passed - self.listed)
        if self.store != "none":
            bare = read_list(LISTS["none"])
            self._print("pass against bare moto and not through relais", (bare & self.tests.keys()) - self.passed)
        self._print(f"in {LISTS[self.store].name} and do not pass", self.broken())

    def broken(self):
        """Listed tests that do not pass; in a whole run also those that the suite no longer has."""
        return self.listed - self.passed if self.whole else (self.listed & self.tests.keys()) - self.passed

    def write(self):
        LISTS[self.store].write_text("".join(f"{name}\n" for name in sorted(self.passed)))

    def _print(self, title, names):
        if names:
            print(f"\n{len(names)} {title}:")
        for name in sorted(names):
            error = self.tests.get(name, {}).get("error")
            print(f"  {name}{': ' + error if error and name not in self.passed else ''}")


def read_list(path):
    return set(path.read_text().splitlines()) if path.exists() else set()
