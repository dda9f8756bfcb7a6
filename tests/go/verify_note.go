// Verifies a signed checkpoint with Go's own packages: the note, and the proofs of its tree.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type given struct {
	Key, Note string
	Index, Old int64
	OldRoot, Root, Leaf []byte
	Inclusion, Consistency [][]byte
}

func hash(b []byte) (h tlog.Hash) { copy(h[:], b); return }

func hashes(all [][]byte) (made []tlog.Hash) {
	for _, each := range all {
		made = append(made, hash(each))
	}
	return
}

func must(err error) {
	if err != nil {
		fmt.Println("refused:", err)
		os.Exit(1)
	}
}

func main() {
	var g given
	must(json.NewDecoder(os.Stdin).Decode(&g))
	verifier, err := note.NewVerifier(g.Key)
	must(err)
	opened, err := note.Open([]byte(g.Note), note.VerifierList(verifier))
	must(err)
	lines := strings.Split(opened.Text, "\n")
	var size int64
	_, err = fmt.Sscan(lines[1], &size)
	must(err)
	must(tlog.CheckRecord(hashes(g.Inclusion), size, hash(g.Root), g.Index, hash(g.Leaf)))
	must(tlog.CheckTree(hashes(g.Consistency), size, hash(g.Root), g.Old, hash(g.OldRoot)))
	fmt.Println("accepted:", opened.Sigs[0].Name, size)
}
