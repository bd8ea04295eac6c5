// Goroutines, channels, maps, sorting, JSON, regular expressions, hashing and files, in one Go program.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"sync"
	"text/template"
	"time"
)

type Person struct {
	Name string            `json:"name"`
	Born int               `json:"born"`
	Tags []string          `json:"tags,omitempty"`
	More map[string]string `json:"more,omitempty"`
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "workers:", err)
		os.Exit(1)
	}
	return value
}

func primes(ctx context.Context) <-chan int {
	out := make(chan int)
	go func() {
		source := make(chan int)
		go func() {
			for i := 2; ; i++ {
				select {
				case source <- i:
				case <-ctx.Done():
					return
				}
			}
		}()
		for {
			prime := <-source
			select {
			case out <- prime:
			case <-ctx.Done():
				return
			}
			next := make(chan int)
			go func(in <-chan int, out chan<- int) {
				for i := range in {
					if i%prime != 0 {
						select {
						case out <- i:
						case <-ctx.Done():
							return
						}
					}
				}
			}(source, next)
			source = next
		}
	}()
	return out
}

func concurrency() {
	ctx, cancel := context.WithCancel(context.Background())
	sum := 0
	stream := primes(ctx)
	for i := 0; i < 60; i++ {
		sum += <-stream
	}
	cancel()
	fmt.Println("sum of 60 primes:", sum)

	var group sync.WaitGroup
	var lock sync.Mutex
	counts := map[byte]int{}
	for worker := 0; worker < 20; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			digest := sha256.Sum256([]byte(fmt.Sprint("worker ", worker)))
			lock.Lock()
			defer lock.Unlock()
			counts[digest[0]&3]++
		}()
	}
	group.Wait()
	fmt.Println("by remainder:", counts)

	select {
	case <-time.After(15 * time.Millisecond):
		fmt.Println("timer fired")
	case <-make(chan int):
	}
}

func data() {
	people := []Person{{"Ada", 1815, []string{"maths"}, nil}, {"Grace", 1906, nil, map[string]string{"rank": "admiral", "language": "COBOL"}}, {"Alan", 1912, []string{"logic", "running"}, nil}}
	sort.Slice(people, func(i, j int) bool { return people[i].Born > people[j].Born })
	text := must(json.Marshal(people))
	fmt.Println(string(text))
	var back []Person
	must(0, json.Unmarshal(text, &back))
	fmt.Println(len(back), back[1].More["rank"])
	var wrong struct{ Born string }
	fmt.Println(json.Unmarshal([]byte(`{"born": 3}`), &wrong) != nil)
	pattern := regexp.MustCompile(`(\w+)@(\w+)\.com`)
	fmt.Println(pattern.ReplaceAllString("ann@example.com, bob@test.com", "$2:$1"))
	fmt.Println(new(big.Int).Exp(big.NewInt(3), big.NewInt(200), nil))
	page := template.Must(template.New("page").Parse("{{range .}}{{.Name}} ({{.Born}}) {{end}}\n"))
	must(0, page.Execute(os.Stdout, people))
}

func files(root string) {
	must(0, os.MkdirAll(filepath.Join(root, "x", "y"), 0o755))
	for i := 0; i < 5; i++ {
		must(0, os.WriteFile(filepath.Join(root, "x", fmt.Sprintf("f%d", i)), []byte(strings.Repeat("data ", i*100)), 0o644))
	}
	must(0, os.Rename(filepath.Join(root, "x", "f4"), filepath.Join(root, "x", "y", "moved")))
	must(0, os.Remove(filepath.Join(root, "x", "f0")))
	must(0, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info := must(entry.Info())
		size := info.Size()
		if entry.IsDir() {
			size = 0
		}
		fmt.Println(strings.TrimPrefix(path, root), entry.IsDir(), size)
		return nil
	}))
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	must(zip.Write(must(os.ReadFile(filepath.Join(root, "x", "y", "moved")))))
	must(0, zip.Close())
	unpacked := must(io.ReadAll(must(gzip.NewReader(&packed))))
	fmt.Printf("%x\n", sha256.Sum256(unpacked))
	_, err := os.Open(filepath.Join(root, "absent"))
	fmt.Println("absent:", errors.Is(err, fs.ErrNotExist))
	_, err = os.Open("/etc/passwd")
	fmt.Println("not granted:", err != nil)
}

func recovered() (text string) {
	defer func() { text = fmt.Sprint("recovered: ", recover()) }()
	var list []int
	return fmt.Sprint(list[len(os.Args)])
}

func main() {
	concurrency()
	data()
	files(os.Args[1])
	fmt.Println(recovered())
	lines := 0
	for scanner := bufio.NewScanner(os.Stdin); scanner.Scan(); {
		lines++
	}
	fmt.Println("lines of input:", lines)
	os.Exit(7)
}
