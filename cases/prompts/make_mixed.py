#!/usr/bin/env python3
"""Writes mixed.jsonl: 400 varied prompts, one {"prompt_id", "text"} per line.

Deterministic (fixed seed), standard library only. All texts were written for
this file; nothing is quoted from elsewhere. Usage: make_mixed.py [OUT]
"""
import json
import os
import random
import sys

SEED = 20240917
COUNT = 400

# ---------------------------------------------------------------- short ones
SHORT = r"""
Why do cats purr?
Define entropy briefly.
Name three Baltic rivers.
你好，请介绍一下你自己。
Was ist ein Quellcode?
Hola, ¿qué tal?
おすすめの本は？
Convert 72 °F to Celsius.
ما هي عاصمة المغرب؟
Say hi in Finnish 👋
Write a haiku about rusted bicycles.
What is 17 × 243? Show each step.
Explain recursion to a ten-year-old.
Give me five synonyms for "stubborn", from mildest to harshest.
What's the difference between baking soda and baking powder?
Is it safe to take ibuprofen and paracetamol on the same day?
How long should I boil an egg if I like the yolk jammy?
Translate into French: "The ferry leaves at dawn unless the fog stays."
Who was queen of Sweden in 1650, and why did she abdicate?
Write a regex that matches a 24-hour time such as 09:45 or 23:07.
In one sentence, what does a notary actually do?
My sourdough is flat and sour. What went wrong? 🍞
List the planets by mass, heaviest first.
Rewrite politely: "You still haven't sent me the file."
What does `git rebase --onto` do that plain rebase cannot?
请用一句话解释什么是通货膨胀。
把下面的句子翻译成英文：雨停了，街上到处都是水坑。
用四个字形容秋天的早晨。
为什么高原上煮饭不容易熟？
请写一首关于旧书店的五言小诗。
帮我想三个适合小型咖啡馆的名字，要带“山”字。
Python 里列表和元组有什么区别？举一个例子。
请把“会议改到周四下午三点”改写成正式的邮件语气。
Erkläre mir den Unterschied zwischen Miete und Pacht.
Wie entferne ich Rotweinflecken aus einem Leinentischtuch?
Schreibe einen kurzen Vierzeiler über einen verspäteten Zug.
Welche Zutaten brauche ich für einen einfachen Kartoffelsalat ohne Mayonnaise?
Nenne zwei Gründe, warum Brücken Dehnungsfugen haben.
Übersetze ins Englische: „Wer zu viel plant, verpasst den Nachmittag.“
¿Por qué el cielo se ve rojo al atardecer?
Escribe un eslogan breve para una tienda de bicicletas de segunda mano.
¿Cuál es la diferencia entre "ser" y "estar"? Da dos ejemplos.
Traduce al inglés: "No hay prisa, el pan todavía está en el horno."
Dame una receta rápida con garbanzos, espinacas y un huevo.
اكتب بيتين عن البحر في الشتاء.
ما الفرق بين الطقس والمناخ؟
ترجم إلى الإنجليزية: «وصل القطار متأخراً ولم ينتظرنا أحد.»
كيف أحفظ الخبز طازجاً لعدة أيام؟
「猫の手も借りたい」という表現の意味を教えてください。
次の文を敬語に直してください：明日行けないから、後で電話する。
東京から京都まで、新幹線以外の行き方を二つ挙げてください。
味噌汁を薄くせずに塩分を減らす方法は？
素数とは何ですか。中学生にもわかるように説明してください。
한국어로 짧은 생일 축하 메시지를 써 주세요 🎂
비 오는 날 듣기 좋은 음악 장르를 추천해 줘.
Comment conjugue-t-on « résoudre » au passé composé et au futur ?
Donne-moi trois idées de dîner sans four pour un soir de canicule.
Qual è il modo giusto di cuocere il risotto senza farlo attaccare?
Explique em duas frases o que é uma franquia de seguro.
Сколько будет 15% от 840? Объясни ход решения.
Напиши короткое поздравление коллеге, который уходит на пенсию.
Wat is het verschil tussen een dijk en een dam?
Napisz zdanie, w którym każde słowo zaczyna się na literę „k”.
Türkçede "de" bağlacı ne zaman ayrı yazılır?
हिंदी में "पानी" के तीन पर्यायवाची शब्द बताइए।
Γιατί τα νησιά των Κυκλάδων έχουν άσπρα σπίτια;
Hur uttalas ordet "sju" i olika delar av Sverige?
Viết một câu quảng cáo cho quán phở nhỏ ở góc phố.
What story do these emoji tell? 🌧️🐌➡️🏠🔥☕
Reply using only emoji: how was your Monday?
Turn this into a tweet with emoji: our bakery reopens on Saturday at 7.
What time is it in Lima when it is noon in Nairobi?
Solve for x: 3x² − 12x + 9 = 0
Differentiate f(x) = x·ln(x) − x.
Is 2027 a prime number? Explain how you checked.
How many ways can five people sit in a row if two refuse to be neighbours?
Simplify (2a − 3b)² − (2a + 3b)².
What is the probability of rolling at least one six in four throws of a fair die?
Write 0.1 + 0.2 in binary floating point and say why it isn't exactly 0.3.
Fix the grammar: "Me and him was going to the market when it start raining."
What's a polite way to decline a wedding invitation from a colleague?
Suggest a title for a memoir about growing up above a laundromat.
Summarise photosynthesis in exactly twelve words.
Which came first, the printing of playing cards or of newspapers, in Europe?
Why did medieval towns tax salt so heavily?
Name one cause and one effect of the 1973 oil embargo.
How did sailors find longitude before they had accurate clocks?
Does a verbal agreement to sell a used car bind both sides?
What is the difference between a tort and a crime? Keep it short.
Can my landlord keep the deposit because of faded curtains?
What does "without prejudice" at the top of a letter mean?
My ankle is swollen two days after a sprain. Ice, heat or neither?
What do the two numbers in a blood pressure reading stand for?
Is a resting pulse of 48 a worry in someone who runs every day?
Why do some antibiotics forbid alcohol while others don't?
Write a shell one-liner that lists the ten largest files under the current folder.
Write a CSS rule that centres a div both ways.
What is the time complexity of building a heap from n items, and why isn't it n log n?
Explain Rust's `Option<&mut T>` versus `&mut Option<T>` briefly.
SQL: select the second highest salary from employees(name, salary).
What does HTTP status 418 mean?
How do I undo the last commit but keep my changes staged?
Write a commit message for: fixed the off-by-one in the pager, added a test.
Name the trade-offs of UUIDv4 primary keys in a B-tree index.
Compose a limerick about a librarian who collects umbrellas.
Write the first line of a detective story set in a salt mine.
Describe the smell of a hardware shop in two sentences.
Continue: The lighthouse keeper had not spoken to anyone since March, until
Give me a riddle whose answer is "shadow".
Invent a proverb about patience and soup.
Write a two-line dialogue between a kettle and a toaster.
What rhymes with "orange", or nearly does?
Plan a 20-minute workout with no equipment and no jumping, my neighbours are asleep.
Which houseplants survive a dark, cold hallway?
How do I stop my bicycle chain from slipping under load?
What should I pack for three rainy days in Bergen?
How do I descale an espresso machine with citric acid?
Recommend a board game for six adults who hate long rules.
What's a good substitute for buttermilk in pancakes?
How do I tell a ripe melon from an unripe one at the market?
Classify the sentiment as positive, negative or mixed: "Lovely room, shame about the 6 a.m. drilling."
Extract the date from: "We shall meet on the second Tuesday of October, 2031, at noon."
Sort these words alphabetically: quay, quail, quaint, quack, quad.
Capitalise properly: the old man of the mountain and other stories
Is this spam? "Your parcel is held, pay 1.99 to release it: bit-parcel dot example"
Answer yes or no: can a square be a rhombus?
True or false: sound travels faster in water than in air. Explain.
Write a JSON object with keys name, age and pets, where pets is an empty list.
Turn "last_login_at" into camelCase, PascalCase and kebab-case.
What is the chemical formula of table salt, and what holds the crystal together?
Why does ice float, and what would a lake look like if it didn't?
What is dark matter, and how do we know it's there at all?
Compare a virus and a bacterium in a two-column table.
How far away is a thunderstorm if I count seven seconds?
Why do leaves turn yellow before they fall?
What is a "soft landing" in economics?
Explain compound interest with one small example.
What is the opposite of a monopoly called?
Pretend you're a grumpy medieval cook and tell me what's for supper.
Act as a railway announcer and explain why the 8:14 is a boat today.
Give three counterarguments to a four-day working week.
Should a small town keep its only cinema open at a loss? Two sentences each way.
"""

# ------------------------------------------------------ medium, hand-written
MEDIUM = r"""
I have two aubergines, half a tin of tomatoes, some stale bread and a block of feta. No oven, only one ring and a heavy pan. What can I make for two people in under forty minutes, and in which order should I do things?
---
Write an e-mail to my building manager. The lift has been out since Friday, my neighbour on the fifth floor uses a wheelchair, and nobody answers the emergency number. Be firm but not rude, and ask for a date by which it'll be repaired.
---
You're a patient maths tutor. I keep getting lost when a word problem mixes percentages and fractions. Give me one easy exercise, wait for my answer, and only then tell me whether I was right. Start now, please.
---
Write a poem of three stanzas about a night bus. The driver should be in it, but nobody may speak. No rhymes, and the last line has to be shorter than all the others.
---
Explain the difference between a trademark, a patent and copyright to somebody who has just designed a folding stool and wants to sell it online. Which of the three should they think about first, and what does doing nothing cost them?
---
My grandmother, 81, was told to drink less because of her heart, but now she's constipated and dizzy when she gets up. What questions should we bring to her next appointment, and which signs mean that we shouldn't wait for it?
---
Imagine that the printing press had been invented in Timbuktu in 1350. Sketch, in one paragraph, how trade, schooling and religion in West Africa might have changed over the next century. Mark clearly what is speculation.
---
Translate the following into Spanish and then into German, keeping the joke if you can: "My plants are very loyal. Every time I go on holiday they wait for me to come back before they die."
---
I'm giving a five-minute talk to first-year nursing students about washing hands. They've all heard it before. Suggest an opening that isn't a statistic, two demonstrations that need no equipment, and a closing sentence.
---
Write a function in Python that takes a list of intervals like [(1, 4), (3, 6), (8, 9)] and merges the overlapping ones. Don't import anything. Then say what happens for an empty list and for intervals that only touch.
---
A train leaves at 7:40 and travels at 84 km/h. A second train leaves the same station at 8:10 on the same line at 112 km/h. When and how far from the station does the second one catch up? Please check the answer by another route.
---
Act as a strict but fair editor. Shorten this sentence without losing anything: "Due to the fact that the weather conditions at the present time are of an unfavourable nature, it has been decided by the committee that the picnic shall not go ahead as was planned."
---
请帮我写一封邮件给房东：厨房的水龙头漏水已经一个星期了，我自己换过垫圈但没有用。希望他这周末之前派人来修，我周六全天在家。语气要客气，但要让他知道这件事不能再拖。
---
我下个月要去成都出差三天，白天都有会，只有晚上有空。请推荐一个不需要排长队的晚间安排，包括吃饭、散步和一个可以安静坐一会儿的地方，并说明每一步大概需要多少时间。
---
小明有一些苹果，他把其中的三分之一给了妹妹，又把剩下的一半加两个给了邻居，最后自己还有六个。请问他原来有多少个苹果？请写出每一步的推理过程。
---
请比较“守株待兔”和“刻舟求剑”这两个成语：它们的故事各是什么，现在通常用来批评什么样的人，二者的重点有什么不同？最后各造一个和办公室生活有关的句子。
---
Ich möchte meinem Vermieter schreiben, dass die Heizung im Schlafzimmer seit zwei Wochen nur lauwarm wird. Formuliere einen höflichen, aber bestimmten Brief, setze eine Frist von zehn Tagen und erwähne, dass ich mir eine Mietminderung vorbehalte.
---
Erkläre einem Kind von acht Jahren, warum das Meer salzig ist, die Flüsse aber nicht. Verwende ein Beispiel aus der Küche und höchstens sechs Sätze. Danach stelle dem Kind eine Frage, über die es selbst nachdenken kann.
---
Mein Programm liest eine CSV-Datei mit deutschen Zahlen, also „1.234,56“ statt „1234.56“. Wie wandle ich die Spalte „Betrag“ in Python zuverlässig in Dezimalzahlen um, ohne dass leere Felder einen Fehler auslösen?
---
Necesito un mensaje corto para el grupo de vecinos: el sábado por la mañana cortarán el agua de nueve a una, conviene llenar algún cubo antes, y quien tenga una persona mayor cerca que llame a su puerta. Tono amable, sin mayúsculas ni signos de más.
---
Tengo que explicar a mis alumnos de doce años por qué cayó el Imperio romano de Occidente sin que parezca una lista de fechas. Propón una actividad de media hora en la que ellos mismos lleguen a tres causas distintas.
---
Escribe un diálogo breve entre una panadera y un cliente que insiste en pagar con una moneda antigua. Debe tener un final inesperado y ninguna línea puede pasar de quince palabras.
---
أريد أن أكتب رسالة إلى مدير المدرسة لأطلب نقل ابنتي إلى صف آخر، لأنها تجلس بعيداً عن السبورة ولا ترى جيداً. أرجو أن تكون الرسالة قصيرة ومهذبة، وأن تذكر أن الطبيب نصح بجلوسها في الصف الأول.
---
اشرح لي بلغة بسيطة كيف يعمل محرك البحث: ماذا يحدث بين اللحظة التي أكتب فيها السؤال واللحظة التي تظهر فيها النتائج؟ استخدم تشبيهاً من المكتبة أو السوق.
---
友人の結婚式で三分ほどのスピーチを頼まれました。大学時代に一緒に山で道に迷った話を入れたいのですが、暗い印象にならないようにしたいです。構成案と、最初の二文を書いてください。
---
次の症状について、すぐに病院へ行くべきかどうかの目安を教えてください：昨夜から右の下腹部が痛み、歩くと響きます。熱は三十七度八分、吐き気が少しあります。診断ではなく、判断の手がかりを知りたいです。
---
冷蔵庫に豆腐、長ねぎ、卵二個、キムチが少し残っています。買い物に行かずに十五分でできる夕食を考えて、手順を番号付きで書いてください。辛いものが苦手な子どもの分も、同じ鍋で作れると助かります。
---
Peux-tu m'aider à refuser une invitation sans vexer personne ? Ma belle-sœur organise un week-end de jeux en montagne, mais j'ai besoin de repos et je n'aime pas vraiment ses amis. Écris un message de quatre phrases, sincère mais doux.
---
Мой сын спрашивает, почему самолёты летают, если они тяжелее воздуха. Объясни это так, чтобы понял девятилетний ребёнок, и предложи простой опыт с листом бумаги, который можно сделать на кухне.
---
제 이력서의 자기소개 부분을 고쳐 주세요: "저는 성실하고 책임감이 강하며 무엇이든 열심히 합니다." 너무 흔한 표현이라서, 물류 창고에서 3년 동안 재고 오류를 절반으로 줄인 경험이 드러나도록 두 문장으로 써 주세요.
---
Mi spieghi come funziona il fuorigioco a chi non ha mai visto una partita di calcio? Usa due tazze, un cucchiaino e un tavolo come esempio, e alla fine dimmi quale errore fanno quasi tutti quando lo spiegano.
---
Is my reasoning right? "All swans I've seen are white. The more white swans I see, the more certain I am. Therefore after enough white swans I may be as certain as I am of arithmetic." Find the weakest step and say what a careful person would conclude instead.
---
Give me a packing list for a family of four going camping for five nights by train: two adults, a nine-year-old and a toddler in nappies. Everything must fit in two rucksacks and one small trolley. Group it by who carries what.
---
Rewrite the following product description for a shopper who distrusts advertising: "Experience unparalleled comfort with our revolutionary cloud-foam pillow, engineered to transform your nights and energise your days!" Keep it under thirty words.
---
I'm choosing between PostgreSQL and SQLite for a small booking app: one shop, about two hundred bookings a day, one server, nightly backups. Which would you take, what's the strongest argument against your choice, and when would you switch?
---
Please classify each message as BILLING, TECHNICAL, PRAISE or OTHER, one label a line:
1. I was charged twice in May.
2. The app freezes whenever I rotate my phone.
3. Your driver found my cat. I cried. Thank you!
4. Do you deliver to the islands?
---
Convert this recipe to metric and scale it from 4 to 6 people: 1½ cups flour, 2 tbsp sugar, 1 tsp salt, ¾ cup milk, 2 eggs, 1 stick of butter. Round sensibly and tell me which quantity is risky to scale blindly.
---
Here's my cover letter opening: "I am writing to apply for the position of junior archivist as advertised." It's dull. I worked four summers in a county record office and once found a mislabelled 1790s map. Give me three better openings with different moods.
---
😀 = 1, 😺 = 4, 🐙 = 8. Using only these symbols and the signs + and ×, write the number 2024 in as few symbols as you can, and explain why you think it can't be done much shorter. Spaces don't count.
---
Translate this notice into simple English, simple Arabic and simple Polish: "Residents are requested to refrain from depositing bulky refuse in the communal stairwell, since it constitutes an obstruction in the event of fire." Put each language under its own heading.
---
A friend lent me 900 euros two years ago without anything in writing. Now he says it was 1,200 and wants it by Sunday. I have my bank statement. What counts as evidence here, and how should I answer him without making things worse?
---
Compare how the Inca and the Romans kept their road networks working: who built them, who was allowed to use them, and how messages travelled. Finish with one thing that each could have learnt from the other.
---
Write unit tests (names and one-line descriptions only, no code) for a function `parse_duration("1h30m")` that returns seconds. Think about whitespace, capital letters, zero, overflow, repeated units, missing numbers and the empty string.
---
What's the most persuasive case for learning to touch-type at fifty? I type with four fingers at 45 words a minute and I'm comfortable. Be honest if the answer is that I shouldn't bother.
---
Prove that the sum of the first n odd numbers is n². First draw it with dots for n = 4, then give an induction proof, then one sentence on why the picture is or isn't a proof on its own.
---
I need a bedtime story of about 200 words for a girl called Ines who is afraid of the vacuum cleaner. The vacuum cleaner mustn't turn out to be friendly, but Ines should sleep well afterwards.
---
Write a changelog entry from these notes: retry uploads 3x now instead of once; dropped Python 3.8; `--quiet` really is quiet; fixed crash when path has an emoji 🗂️ in it; docs moved. Sort it under Added, Changed, Fixed and Removed.
---
Our choir of 34 amateurs has eleven rehearsals before a concert in June. Six pieces, two of them hard. Propose a rehearsal plan as a table with date slots 1 to 11, and leave some slack for illness and for the weekend when half the tenors are away.
---
Debate with me. I say that cities should ban private cars from their centres entirely. Take the opposite side, use no more than three arguments, make them as strong as you can, and don't concede anything until I answer.
---
What does this error mean, and where would you look first? `thread 'main' panicked at src/cache.rs:88:31: index out of bounds: the len is 16 but the index is 16`. It only happens on machines with exactly sixteen cores.
---
Explain to a farmer, not to a statistician, what a confidence interval is. Use the weight of pumpkins. Avoid the words "population", "parameter" and "random variable", and don't say anything that a statistician would call wrong.
---
Fill in the gaps and explain each choice: "If I ___ (know) about the strike, I ___ (take) the bus. As it was, I ___ (stand) on the platform for an hour before anyone ___ (tell) us anything."
---
Give me the pros and cons of heat pumps for a badly insulated brick house from 1932 with old radiators. I have about 15,000 to spend in total and could do the work in two steps, a year apart.
---
List the steps to change a flat rear tyre on a bicycle with a derailleur, as if you were talking me through it on the phone at night. One step per line, and tell me what I should feel with my fingers, since I can't see much.
---
In the style of a dry museum label (no more than 70 words), describe an ordinary twenty-first-century phone charger as if it were dug up in the year 3400 and nobody was certain what it was for.
---
Set up the equations but don't solve them: a shop sells three blends of tea. Two bags of A and one of B cost 13.40; one of each costs 15.10; three of C cost as much as four of A. What does a bag of each cost?
---
My teenager wants to quit the violin after seven years. She's good but practises only when I nag. I don't want to be the parent who forces her, nor the one who let her drop it. What would you ask her first?
---
Name the logical fallacy, if there is one, in each: (a) "You can't trust her budget; she's never owned a house." (b) "If we let them paint the door red, soon every house will be purple." (c) "Nobody has shown it's unsafe, so it's safe."
---
Turn this bullet list into two flowing paragraphs for a parish newsletter: roof repaired; cost 4,300, of which 3,100 donated; bats found, roof closed two weeks; bats left by themselves; thanks to scouts for soup; next job: the gutters.
---
Write a Makefile with targets build, test and clean for a tiny C project with main.c, list.c and list.h. It should rebuild only what changed, and `make test` should fail loudly if the test program returns non-zero.
---
Summarise the plot of a novel that doesn't exist: it's called "The Cartographer's Dentist", it's set in Trieste in 1911, and it has a flood in it. Then write one lukewarm review of it in three sentences.
---
Which tense is used in each of these Spanish sentences, and why: "Cuando llegué, ya habían cerrado." "Si tuviera tiempo, iría contigo." "Llevo dos horas esperando." Explain it to a learner at level A2, in English.
"""

# --------------------------------------------------------------- code prompts
CODE = r"""
Review this function. What happens with an empty list, and with a list that contains only negative numbers?

```python
def biggest(xs):
    best = 0
    for x in xs:
        if x > best:
            best = x
    return best
```
=====
Why does this print the same number three times? Fix it in two different ways.

```javascript
for (var i = 0; i < 3; i++) {
  setTimeout(function () {
    console.log(i);
  }, 10 * i);
}
```
=====
The borrow checker rejects this. Explain the error to somebody who comes from Java, and give the smallest change that makes it compile.

```rust
fn longest_name(names: &mut Vec<String>) -> &String {
    let mut best = &names[0];
    for n in names.iter() {
        if n.len() > best.len() {
            best = n;
        }
    }
    names.push(String::from("sentinel"));
    best
}
```
=====
Find the bug in this C code and tell me which tool would've caught it.

```c
char *join(const char *a, const char *b)
{
    char buf[128];
    strcpy(buf, a);
    strcat(buf, "/");
    strcat(buf, b);
    return buf;
}
```
=====
Translate this Python into idiomatic Go, with an explicit error instead of the exception:

```python
def read_ports(path):
    ports = []
    with open(path) as fh:
        for lineno, line in enumerate(fh, 1):
            line = line.split("#", 1)[0].strip()
            if not line:
                continue
            port = int(line)
            if not 1 <= port <= 65535:
                raise ValueError(f"{path}:{lineno}: port {port} out of range")
            ports.append(port)
    return sorted(set(ports))
```
=====
This query takes nine seconds on a table with four million orders. Which index would you add, and can the query be rewritten so that it doesn't need the subselect?

```sql
SELECT c.id, c.name
FROM customers c
WHERE (SELECT COUNT(*) FROM orders o
       WHERE o.customer_id = c.id
         AND o.placed_at >= DATE '2023-01-01') > 5
ORDER BY c.name;
```
=====
Add type hints and a docstring to this, and rename anything that is badly named. Don't change the behaviour.

```python
def f(d, k, default=None):
    cur = d
    for part in k.split("."):
        if isinstance(cur, list):
            try:
                cur = cur[int(part)]
            except (ValueError, IndexError):
                return default
        elif isinstance(cur, dict) and part in cur:
            cur = cur[part]
        else:
            return default
    return cur
```
=====
Is this Java class safe to share between threads? If not, give an example of two threads that break it.

```java
public final class Counter {
    private final Map<String, Integer> hits = new HashMap<>();

    public synchronized void hit(String page) {
        hits.merge(page, 1, Integer::sum);
    }

    public int get(String page) {
        return hits.getOrDefault(page, 0);
    }
}
```
=====
Explain this shell script line by line, then tell me which line is dangerous when the variable is unset.

```bash
#!/bin/bash
cd /srv/backups
for f in $(ls *.tar); do
    gzip -9 $f
done
find . -name '*.gz' -mtime +30 -delete
rm -rf $SCRATCH/*
echo "done: $(ls | wc -l) files"
```
=====
What does this regular expression match? Give two strings that match and two near misses that don't:

^(?!.*\.\.)[a-z][a-z0-9.]{2,30}(?<!\.)@[a-z0-9-]+(\.[a-z]{2,})+$
=====
Write a test for this TypeScript function that fails, if you can find one, and explain the failure.

```typescript
export function chunk<T>(items: T[], size: number): T[][] {
  const out: T[][] = [];
  for (let i = 0; i < items.length; i += size) {
    out.push(items.slice(i, i + size));
  }
  return out;
}
```
=====
Haskell beginner here. Why is this slow for large n, and what would a faster version look like?

```haskell
average :: [Double] -> Double
average xs = sum xs / fromIntegral (length xs)

main :: IO ()
main = print (average [1 .. 50000000])
```
=====
Here's a diff. Write the review comment that you'd leave on it, kindly, in at most four sentences.

```diff
-    if user.is_active and user.email_verified:
-        send_digest(user)
+    try:
+        send_digest(user)
+    except Exception:
+        pass
```
=====
Port this to NumPy without a Python loop, and say how much memory the intermediate array takes for 10,000 points:

```python
def closest_pair_distance(points):
    best = float("inf")
    for i in range(len(points)):
        for j in range(i + 1, len(points)):
            dx = points[i][0] - points[j][0]
            dy = points[i][1] - points[j][1]
            d = (dx * dx + dy * dy) ** 0.5
            if d < best:
                best = d
    return best
```
=====
This Dockerfile rebuilds everything whenever I change one line of my code. Reorder it so that the dependency layer is cached, and point out anything else that you'd change.

```dockerfile
FROM python:3.12
COPY . /app
WORKDIR /app
RUN apt-get update
RUN apt-get install -y libpq-dev
RUN pip install -r requirements.txt
ENV DEBUG=1
CMD python main.py
```
=====
What will this print, and why? Answer first, then explain.

```python
def add(item, basket=[]):
    basket.append(item)
    return basket

print(add("leek"))
print(add("salt"))
print(add("dill", []))
print(add("rice"))
```
=====
I wrote a little LRU cache. Please check it for correctness (not style). I'm worried about what happens when a key is overwritten and when the capacity is zero.

```python
class LRU:
    def __init__(self, capacity):
        self.capacity = capacity
        self.data = {}
        self.order = []

    def get(self, key):
        if key not in self.data:
            return None
        self.order.remove(key)
        self.order.append(key)
        return self.data[key]

    def put(self, key, value):
        if len(self.data) >= self.capacity:
            oldest = self.order.pop(0)
            del self.data[oldest]
        self.data[key] = value
        self.order.append(key)
```
=====
请解释下面这段代码的作用，并指出当输入为空字符串时会发生什么：

```python
def compress(s):
    out = []
    prev, n = s[0], 1
    for ch in s[1:]:
        if ch == prev:
            n += 1
        else:
            out.append(f"{prev}{n}")
            prev, n = ch, 1
    out.append(f"{prev}{n}")
    return "".join(out)
```
=====
Bitte prüfe diese Funktion. Sie soll Schaltjahre erkennen, liefert aber für 1900 das falsche Ergebnis.

```c
int ist_schaltjahr(int jahr)
{
    if (jahr % 400 == 0) return 1;
    if (jahr % 4 == 0) return 1;
    if (jahr % 100 == 0) return 0;
    return 0;
}
```
=====
Revisa este componente de React: cada vez que escribo una letra, el campo pierde el foco. ¿Por qué?

```jsx
function Form({ onSave }) {
  const [name, setName] = useState("");
  const Field = () => (
    <input value={name} onChange={(e) => setName(e.target.value)} />
  );
  return (
    <form onSubmit={() => onSave(name)}>
      <Field />
      <button>Guardar</button>
    </form>
  );
}
```
=====
Our on-call engineer left this at 3 a.m. Explain what it does, whether it can lose messages, and how you would make it restartable after a crash in the middle of a batch.

```python
def drain(queue, sink, batch_size=100, max_wait=2.0):
    batch = []
    started = time.monotonic()
    while True:
        try:
            msg = queue.get(timeout=0.25)
            batch.append(msg.body)
            msg.ack()
        except Empty:
            pass
        waited = time.monotonic() - started
        if len(batch) >= batch_size or (batch and waited > max_wait):
            for attempt in range(3):
                try:
                    sink.write_many(batch)
                    break
                except ConnectionError:
                    time.sleep(2 ** attempt)
            batch = []
            started = time.monotonic()
        if queue.closed and not batch:
            return
```
=====
The following Rust code is meant to parse lines such as "set brightness 40" into a command. Review it as you would in a pull request: correctness first, then errors, then naming. Suggest at least two test cases that it gets wrong today.

```rust
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Set { name: String, value: i32 },
    Get { name: String },
    Quit,
}

pub fn parse(line: &str) -> Option<Command> {
    let parts: Vec<&str> = line.split(' ').collect();
    match parts[0] {
        "set" => {
            let name = parts[1].to_string();
            let value = parts[2].parse().unwrap_or(0);
            Some(Command::Set { name, value })
        }
        "get" => Some(Command::Get {
            name: parts[1].to_string(),
        }),
        "quit" | "exit" => Some(Command::Quit),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets() {
        assert_eq!(
            parse("set brightness 40"),
            Some(Command::Set { name: "brightness".into(), value: 40 })
        );
    }

    #[test]
    fn quits() {
        assert_eq!(parse("quit"), Some(Command::Quit));
    }
}
```
=====
Write the missing body. It must not allocate, and must work for n = 0:

```c
/* Reverses the order of the n elements of a, in place. */
void reverse(int *a, size_t n)
{
    /* ... */
}
```
=====
What's the output of `echo "a,b;c" | tr ',;' '\n' | sort -r | head -n 2`? Explain each stage of the pipe.
=====
Rewrite this nested conditional so that a reader can follow it. Behaviour must stay the same, including for guests.

```php
function price($user, $item) {
    if ($user !== null) {
        if ($user->member) {
            if ($item->onSale) {
                return $item->price * 0.8 * 0.9;
            } else {
                return $item->price * 0.9;
            }
        } else {
            if ($item->onSale) {
                return $item->price * 0.8;
            } else {
                return $item->price;
            }
        }
    } else {
        return $item->onSale ? $item->price * 0.8 : $item->price;
    }
}
```
"""

# ------------------------------------------- a little longer, hand-written
LONGER = r"""
I run a small bakery with four employees and I've been asked by one of them, who's very good, whether she can work from four to ten in the morning only, because she has started a degree. Everyone else does the late clean-up in turns. I'd like to say yes, but I don't want the other three to feel that they're paying for it. Suggest two fair arrangements, with what each would cost me in wages or goodwill, and write the first three sentences of the talk that I should have with the team.
---
Here's the situation: a cyclist, riding at night without a light, was hit by a car that turned left without indicating. Both were slightly injured and the car's mirror is broken. The driver says that he couldn't have seen the cyclist anyway; the cyclist says that the street was lit. Without naming any particular country's statute, explain which duties each of them seems to have breached, what contributory fault means, and what evidence each side should now secure.
---
Please proofread the following paragraph, mark every change with square brackets, and don't touch the style: "The museums collection of barometers, wich was donated in 1958 by a ships captain's widow, have never been shown complete. Less than half of the instruments still works, and of those that does, non agree with each other. Visitors are invited to tap them gently, it is said to bring good whether."
---
Imagine three switches outside a closed room and one old-fashioned bulb inside it. You may play with the switches as long as you like but may open the door only once. The usual solution uses the warmth of the bulb. Now suppose that the bulb is an LED that stays cold, but that you've got a friend with a poor memory inside the room, who can tell you only how many times the light changed. Is the puzzle still solvable? Explain your strategy, or show that none exists.
---
I have to choose a topic for my bachelor's thesis in geography by Friday. I like maps, I'm good at interviews and bad at statistics, and I live near a quarry that's about to be turned into a lake. My supervisor likes narrow questions. Offer me four possible research questions, from safest to boldest, each with a sentence on how I'd collect the material and a sentence on how the project might fail.
---
Rewrite the rules below so that a group of ten-year-olds can follow them, and find the contradiction that's hidden in them. (1) Every player begins with five shells. (2) On your turn you must give a shell to the player on your left or take one from the middle. (3) A player without shells is out. (4) There are never more than twenty shells in the game. (5) The game is for four to seven players. (6) The last player with shells wins.
---
Write the minutes of an imaginary meeting at which the months of the year decide who's to be the shortest. February must lose, but only because of a procedural trick by August, and November should ask to be left out of it. Keep to the usual form of minutes: present, apologies, items, votes, any other business. About two hundred words, deadpan, without a single exclamation mark.
---
My father was prescribed a blood thinner after his stroke, and the leaflet warns about certain foods, about painkillers from the supermarket, and about falls. He lives alone, loves spinach, has arthritis in both hands and goes hiking with a club that's rather proud of its scrapes. Which of these matter most, in which order should we talk to his doctor about them, and what would count as an emergency on a hike?
---
Evaluate this plan: "We'll keep all our passwords in a spreadsheet, encrypt the spreadsheet with a password that everybody knows, and change that password whenever somebody leaves. The spreadsheet is stored on a memory stick in the director's drawer, with a copy in the cloud in case that the drawer is locked." List what's good about it, what can go wrong, and the smallest set of changes that'd make it acceptable to an association of twelve volunteers without a budget.
---
Design a small experiment with which a family of five could find out, over two weeks, whether drinking coffee after three in the afternoon really spoils their sleep. Two of them drink coffee, one drinks tea, one is eleven, and one says that he sleeps badly whatever he does. Say what to write down, how to avoid fooling themselves, and what result would convince you that there's no effect.
---
我们小区打算把旧自行车棚改成一个共享工具间，居民可以借电钻、梯子和缝纫机。目前有三个问题还没有解决：第一，工具坏了由谁来修，费用怎么分摊；第二，怎样避免有人长期不还；第三，谁来保管钥匙。请你写一份不超过三百字的管理办法草案，语言要通俗，规定要具体，最后附上一张简单的借用登记表的表头。
---
我最近在学做红烧肉，每次颜色都发黑，味道有点苦，肉还很柴。我的做法是：冷锅放油和冰糖，大火炒到冒烟，然后放焯过水的五花肉，加酱油和水，盖上盖子煮四十分钟。请指出哪些步骤可能有问题，按照重要程度排序，并给出一个更稳妥的做法，说明每一步看什么、闻什么、听什么。
---
Ich bin Lehrerin an einer Grundschule und möchte mit meiner dritten Klasse über Geld sprechen, ohne dass die Kinder vergleichen, wer zu Hause mehr hat. Entwirf eine Unterrichtsstunde von 45 Minuten mit einem Spiel, in dem getauscht wird, einer ruhigen Phase und einer Frage für zu Hause, die sich ohne Angaben zum Einkommen beantworten lässt. Nenne auch einen Punkt, an dem die Stunde kippen könnte, und was ich dann tue.
---
Mein Nachbar behauptet, er dürfe sonntags Rasen mähen, weil sein Mäher elektrisch und leiser als ein Gespräch sei. Ich habe nichts gegen den Mäher, aber gegen das Gespräch, das er dabei mit lauter Stimme am Telefon führt. Schreibe mir einen Zettel für seinen Briefkasten, freundlich, mit etwas Humor, ohne Drohung und ohne Paragrafen, in höchstens sechs Sätzen. Schlage außerdem eine Uhrzeit vor, mit der wir beide leben könnten.
---
Estoy escribiendo una novela corta ambientada en un pueblo de salineros. La protagonista, Remedios, hereda una balanza que siempre marca doscientos gramos de más, y todo el pueblo lo sabe menos los compradores de fuera. Ayúdame a decidir qué pasa cuando llega un inspector honrado: propón tres caminos distintos para la trama, di qué le cuesta a Remedios cada uno, y escribe la primera frase del capítulo en cada caso.
---
كتبتُ هذه الفقرة لطلب وظيفة في متحف المدينة، وأشعر أنها باردة: «أنا خريجة قسم التاريخ، وأجيد ثلاث لغات، وعملتُ سنتين دليلة سياحية. أحب العمل مع الناس وأتعلم بسرعة.» أعد كتابتها بطريقة أكثر حيوية، واذكر فيها أنني كنت أشرح للأطفال قصة كل قطعة كأنها شخص يتكلم، ثم اشرح لي باختصار سبب كل تغيير.
---
町内会の回覧板を電子化するかどうかで、意見が分かれています。若い世帯は紙を回すのが面倒だと言い、高齢の方は紙が来るときの立ち話が楽しみだと言います。会長は両方続けると手間が二倍になると心配しています。三者が納得できそうな案を二つ考え、それぞれの利点と弱点を簡潔に書いてください。最後に、次の会合で会長が読み上げる一分程度の説明文もお願いします。
---
J'ai retrouvé dans une vieille boîte une recette écrite par mon arrière-grand-mère, mais il manque la moitié des quantités : « Prenez de la farine ce qu'il en faut, autant de beurre que vous osez, trois œufs s'ils sont petits, une goutte de ce que le curé n'a pas bu. Laissez au four le temps d'un chapelet. » Propose une version moderne et précise, explique tes choix, et garde une phrase d'origine dans chaque étape.
---
Я веду кружок по математике для шестиклассников. На прошлом занятии мы доказывали, что простых чисел бесконечно много, и один мальчик спросил: «А вдруг они где-то очень далеко всё-таки заканчиваются, просто никто ещё не дошёл?» Помоги мне ответить так, чтобы не подавить любопытство: объясни идею доказательства на примере небольших чисел и предложи задачу, над которой он сможет подумать дома.
---
Here are three opening lines for a speech to volunteers who've just spent a weekend clearing plastic from a beach. (a) "Thank you; the sea thanks you too." (b) "We collected four tonnes. By my estimate that's eleven minutes' worth." (c) "My back hurts, and I've never been so happy about it." Say for each what it does to a tired audience, choose one, and write the next five sentences so that people go home proud but not complacent.
---
A recipe for a paint that was used on barns says: three parts of skimmed milk, one part of slaked lime, pigment to taste, and linseed oil "if the wall faces west". I want to paint a hen house with it. Which of these ingredients can hurt me or the hens, what's the chemistry that makes milk and lime set, and does the remark about the west wall make any sense?
---
Sort the following into "fact that can be checked", "opinion" and "prediction", and say how you'd check each fact: The new library cost 11 million. It looks like a shoebox. It'll be too small within ten years. Two thirds of the members live within walking distance. People read less than they used to. The old building had more charm. The lift has broken down four times since the opening. Nobody will miss the car park.
---
You're given two ropes, each of which takes exactly an hour to burn from end to end, though not evenly. With matches and nothing else, measure 45 minutes. Then tell me which of these you could also measure with two such ropes, and which you couldn't: 15 minutes, 20 minutes, 30 minutes, 50 minutes. For those you believe to be impossible, give at least a hint of a reason, not only a verdict.
---
Our open-source project has one maintainer, about forty occasional contributors and a queue of ninety pull requests, half of them older than a year. The maintainer is tired, the users are getting impatient, and a company has offered to "take it over". Draft a message that the maintainer could post this evening. It should close the stale requests without insulting anyone, invite two or three people to become reviewers, and answer the company politely with neither a yes nor a no. 🙏
---
Take the sentence "The dog that the boy whom the teacher praised fed slept." First explain why it's grammatical and why nobody understands it at first. Then rewrite it in three ways: as two short sentences, as one sentence that a newspaper would print, and as a line that might stand in a nursery rhyme. Finally, make a sentence of the same shape about pipes, plumbers and floods.
---
Data first, question afterwards. Site A: 12 samples, mean lead 14 µg/l, range 3 to 61. Site B: 9 samples, mean 11, range 9 to 13. Site C: 2 samples, both 25. The limit is 15 µg/l. A reporter wants to write that only site C is over the limit. What's wrong or right about that sentence, which site would worry you most, and what single additional measurement would you ask for at each place?
"""
LONGER += r"""---
Give me feedback on this first draft of a toast: "Lucas, when we met you had one saucepan and no curtains. Now you have a wife and a dishwasher. I don't know which of them you talk about more." I'm his sister, the bride is shy, and her parents don't know us. What should I keep, what's risky, and how could it end on a warm note?
---
Two friends found a company with 60 and 40 per cent of the shares. After a year the one with 40 does nearly all of the work and asks for half. Write the strongest honest argument for each of them, in the first person, five sentences each. Then name one question that a mediator should put to both before anybody talks about percentages.
---
Write a Python script outline (comments and function names only) that reads a folder of photographs, finds those taken within two seconds of each other, and keeps the sharpest of each group. Say how you'd measure sharpness without any machine learning, what you'd do about photographs without a date, and why the script should move files rather than delete them.
---
A village has 120 households. On Monday one household hears a rumour, and every day each household that knows it tells exactly one other, chosen at random from all 120, whether or not that one has heard it already. About how many days pass until half of the village knows? I don't need an exact answer, but show me how you estimate it, and where the doubling begins to slow down.
---
For a pub quiz, write a round of six questions about bridges, from easy to very hard. Include one about music, one about teeth and one about card games, since all of them have bridges too. Give each answer in brackets with a short note that the quizmaster could read aloud if somebody complains.
---
I'm learning to play the harmonica by myself and I've got stuck on bending notes: I can make the note wobble, but it won't go down cleanly. I practise twenty minutes a day on a cheap instrument in C. Suggest a plan for the coming two weeks, tell me how I'd notice that it's the instrument's fault, and give me one tune that sounds fine without any bends.
---
Quiero montar un club de lectura en la residencia donde vive mi abuelo. Hay nueve personas interesadas: dos casi no ven, una solo quiere novelas policiacas y otra se duerme a los diez minutos. Propón cómo organizar la primera tarde, qué tipo de textos leer en voz alta y cómo conseguir que todos hablen, incluso el que se duerme.
---
请把下面这段会议发言改写成书面总结，去掉口头语，保留所有数字：“那个，我先说一下啊，三月份咱们一共卖了一千二百台，比二月份多了差不多两成吧，主要是南边那几家店卖得好，北边呢，老实说不太行，退货有四十多台，原因嘛，我觉得还是包装的问题。”
---
Schreib mir bitte ein kurzes Hörspiel für drei Stimmen: eine Parkuhr, ein Falschparker und eine Taube, die beide beobachtet. Die Parkuhr ist gekränkt, weil niemand mehr Münzen einwirft. Höchstens zwanzig Zeilen, mit Geräuschen in Klammern, und die Taube soll als Einzige ehrlich sein.
---
My landlord wants to install a camera in the stairwell because parcels have been stolen. Some of us are for it, some against, and one neighbour works nights and doesn't want anybody to know when she comes home. Lay out the considerations that a sensible housing law would weigh here, suggest two measures that are milder than a camera, and draft a question that we could all vote on.
---
Estimate, without looking anything up, how many piano tuners a city of two million could support. State each assumption on its own line with a low, a middle and a high value, multiply them through, and tell me which assumption the result depends on most. Then criticise your own estimate as a piano tuner would.
---
Look at this shopping receipt and tell me whether I was overcharged: bread 2.80; 3 × yoghurt at 0.65; apples 1.240 kg at 2.90/kg; cheese 5.49, reduced by 30%; deposit on 6 bottles at 0.15 each; total paid 15.47. Show the sum as you'd explain it at the till, with people waiting behind me.
---
ロボット掃除機に名前をつけた祖母が、毎晩それに話しかけています。家族は微笑ましいと思っていますが、母だけは少し心配しています。この場面を使って、四百字程度の短い物語を書いてください。最後まで、掃除機が言葉を理解しているかどうかは分からないままにしてください。
---
Act as the examiner for a driving theory test. Ask me three questions about roundabouts, stopping distances in rain, and what to do when an emergency vehicle comes up from behind. Ask them one by one, wait for my answer each time, and grade me at the end with one sentence of praise and one of criticism.
"""

# ------------------------------------------------------------------ passages
# key | passage; each is used by one task below, some again in a longer bundle.
PASSAGES = {}
_RAW = r"""
## tide
The tide mill at the head of the inlet was built to grind corn for three villages, and for almost two hundred years it did little else. At high water the pond filled through a pair of gates that closed by themselves when the current turned; six hours later the miller opened a sluice and let the sea run back over the wheel. He therefore worked at odd hours, sometimes by lantern, and his neighbours set their visits by the almanac rather than by the clock. When steam arrived the mill kept going, because the tide cost nothing, but the railway brought flour that was whiter than anything a local stone could make. The wheel stopped in the dry summer of 1894. The pond is still there, full of mullet, and the gates still close by themselves.
## bees
Beekeepers in the valley lost about a third of their colonies last winter, roughly twice the usual share. The regional association collected reports from 212 members. Most of the dead colonies had plenty of honey left, which rules out plain starvation, and the weather was mild. What stands out is the timing: losses were highest where the autumn treatment against mites had been delayed past the middle of September because of a late heather crop. Members who treated in August lost 14 per cent; those who treated in October lost 41 per cent. The association is careful to say that this doesn't prove anything, since the people who treat late are often those who keep their hives at high altitude, where winters are harder anyway. It has asked for the figures to be split by altitude before the spring meeting.
## lease
The Tenant shall keep the interior of the Premises, including all glass, fixtures and sanitary installations, in good and tenantable repair, fair wear and tear excepted, and shall make good any damage caused by the Tenant, its visitors or its contractors. The Landlord shall keep the roof, the foundations and the load-bearing walls in repair, provided that the Landlord shall not be liable for any loss arising from a defect of which it had no written notice. Where a repair falling to the Landlord is made necessary by an act or omission of the Tenant, the Landlord may carry it out and recover the reasonable cost as a debt. Neither party shall be required to remedy a defect that existed, and was recorded in the schedule of condition, at the commencement of the Term.
## clinic
A 54-year-old woman came to the clinic with three weeks of tiredness and a dull ache under the right ribs. She takes a tablet for blood pressure and, since a knee operation in spring, paracetamol on most days. She doesn't smoke and has a glass of wine at weekends. On examination she was comfortable, with a pulse of 76 and a blood pressure of 138 over 84. The liver edge was just palpable and slightly tender. Blood tests showed mildly raised liver enzymes; bilirubin, kidney function and the blood count were normal. She mentioned at the end of the visit that she had been taking a herbal product for sleep, bought at a market, whose label she couldn't read. She was asked to stop it, to bring the packet, and to come back in two weeks for another test.
## bridge
The committee discussed the footbridge for the third time. Ms Okafor reported that the surveyor had found rot in two of the seven main timbers and advised against crowds of more than twenty people. Repair would cost about 38,000, replacement in steel 96,000. Mr Lindqvist asked whether the school could use the road bridge instead; the head teacher answered by letter that the pavement there is 80 centimetres wide. Several members felt that steel would spoil the view from the mill. It was agreed to close the bridge to groups at once, to ask the county for half the cost of repair, and to invite three firms to tender. Ms Okafor will draft the notice. The question of steel was put off to the autumn, Mr Lindqvist dissenting.
## octopus
An octopus has about half a billion neurons, and most of them are not in its head. Each arm carries a thick cord of nerve cells that can taste, decide and move without much instruction from above; an arm that has been touched by food begins to pass it towards the mouth even when the brain can't see it. This raises an odd question about what it's like to be such an animal. Perhaps the arms are tools, as our hands are. Perhaps they're more like colleagues, who report back only the things that matter. Experiments in mazes suggest that the brain can take control when it needs to: an octopus will learn to guide one arm by sight to a place where that arm alone would never go. Whether the arm then minds is not a question that anyone has found a way to ask.
## ledger
Among the papers in the attic was a ledger kept by a grocer named Tobias Wren between 1871 and 1879. On the left-hand pages he wrote what people owed; on the right, what they had paid with, which was seldom money. Eggs were taken at a penny each except in Lent. A day of ditching counted for two shillings, a mended clock for four. The doctor paid with visits and the schoolmistress with lessons for the grocer's daughters. Now and then a debt is crossed out without any payment, with only the word "enough" beside it, and it takes some reading of the parish register to see that these are the families in which somebody had just died. The accounts never balance. Wren seems not to have expected them to.
## heatpump
A heat pump doesn't make heat; it moves it. A fluid that boils at a low temperature is pumped through a coil outdoors, where even cold air is warm enough to turn it into gas. A compressor then squeezes the gas, which heats it further, and in a second coil indoors it gives that heat to the water in the radiators and turns to liquid again. A valve lets the pressure drop, the liquid cools, and the round begins anew. For every unit of electricity that the compressor uses, three or four units of heat arrive in the house. The trick becomes harder as the gap between outside and inside grows. That's why installers care so much about large radiators: if the water needs to be only 40 degrees rather than 65, the machine has far less of a hill to climb.
## memo
To all staff. From Monday the warehouse will scan parcels at the moment when they leave the shelf, not when they reach the van. We lost 61 parcels in the last quarter, and in 44 cases we could not say whether they had gone missing before or after loading. The new scanners beep once for a good scan and three times for a parcel that belongs to another route. If yours beeps three times, put the parcel in the red cage and go on; please don't walk it to the other bay, however tempting that is, because that's how the last lot went astray. Training takes twenty minutes and happens on the floor, in pairs, at the beginning of each shift this week. Questions go to Farida in dispatch. Nobody's performance figures will be counted until the end of the month.
## orchard
My uncle grafted apples as other men collect stamps. He had one tree with eleven kinds on it, and in September he would walk us round it with a penknife, cutting slices and making us guess. There was one that tasted of pear drops, one so sour that it made your ears move, and a russet that he swore was extinct everywhere else. When he died the house was sold, and the new people, who were kind and wanted light, took the tree down. I had three twigs in my freezer by then, wrapped in damp newspaper, because he'd once told me that this was all it took. Two of them are now taller than I am. I don't know yet whether either is the russet; they haven't flowered.
## inflation
Prices in the capital rose by 6.2 per cent over the year to March, slightly less than in February. Food accounted for almost half of the increase, although it makes up only a quarter of the basket; bread and cooking oil rose most. Rents, which had been frozen until January, went up by 4 per cent. The central bank left its main rate unchanged for the third meeting in a row and said that it expects inflation to fall below 5 per cent by the end of the year, if the harvest is normal. Two of its seven members voted for an increase. The trade unions reacted by asking for wage rises of 8 per cent, the employers' federation by offering 3. Economists at the university pointed out that both sides had used the same table and had each picked the column that suited them.
## glass
Old window panes are often thicker at the bottom, and people like to say that this is because glass is a liquid that has flowed down over the centuries. It isn't so. Glass at room temperature is a solid in every sense that matters to a window: to sag visibly it would need far longer than the age of the universe. The uneven thickness comes from how panes used to be made. A glassmaker blew a bubble, opened it and spun it into a flat disc, thick in the middle and thin at the edge, and cut the panes from that. A sensible glazier then set the heavy side at the bottom, though not always; in some houses you'll find it at the top, or at the left, where no amount of flowing could have put it.
## strike
The strike at the ropeworks began on a Tuesday, over a window. The women in the spinning loft had asked for it to be opened, the foreman had said that damp would spoil the hemp, and somebody broke it with a bobbin. By noon ninety women were in the yard; by Thursday the men from the tarring shed had joined them, and the question was no longer about air but about pay for the days lost to fever. The owner, who lived forty miles away, learnt of it from a newspaper. He came down by the first train, listened for an hour in the rain, and conceded the window, though nothing else. They went back the following week. It's the window that the song remembers.
## river
Two towns share the river. The upper one wants to build a weir to keep water for its gardens in July; the lower one fears that its ferry will then run aground. An engineer hired by both has measured the flow every day for three summers. In an ordinary July, she writes, the river carries 14 cubic metres a second at the upper town, of which a weir would hold back two at night and let them go again by day. The ferry needs nine. In the driest week on record, however, the flow fell to 8.5, and the ferry didn't run at all, with no weir in sight. Her conclusion is that the weir would stop the ferry on four or five more days in a bad year and on none in a good one, and that the towns should argue about what those days are worth instead of about whether they exist.
## security
At 02:14 the monitoring system reported failed log-ins to the payroll server from an address inside our own network. The night operator assumed that a colleague had forgotten a password and took no action. At 02:51 one log-in succeeded, with an account that belonged to a contractor whose work had ended in June. Between 02:53 and 03:20 about 400 megabytes were copied to a file share; nothing shows that they left the building. At 03:22 the operator noticed the copy, disabled the account and rang the duty manager. The contractor's account should have been closed on the last day of the contract, but the form had gone to a mailbox that nobody reads. The source of the log-ins turned out to be a laptop in the print room that three teams share and that none of them owns.
## 茶馆
巷口的茶馆开了四十多年，木头桌子被茶水烫出一圈一圈的印子。老板姓许，不爱说话，客人来了只点点头，就知道谁要绿茶、谁要红茶、谁只想坐一会儿不付钱。前年隔壁开了一家连锁奶茶店，年轻人都去那边排队，大家以为老许撑不住了。没想到排队的人站得累，就进来坐下，一手拿着奶茶，一手翻他架子上的旧报纸。老许也不赶人，只在门口挂了一块小牌子：“坐下不要钱，说话请小声。”后来有个姑娘把这块牌子拍了照片发到网上，茶馆反倒热闹起来。老许看着满屋子的人，叹了一口气，又挂出一块牌子：“本店不大，坐够了请回家。”
## 地铁
本市地铁四号线将于下月一日起延长运营时间，末班车由晚上十一点推迟到十二点半，周五和周六则运行到凌晨一点半。地铁公司表示，这一调整主要考虑到夜间下班的餐饮和医疗行业人员。沿线居民对此意见不一：有人担心噪音，也有人认为夜间出租车太贵，早就应该这样做。公司承诺在高架路段夜间限速四十公里，并在三个月后公布噪音监测结果。票价不变，但凌晨十二点以后，部分车站只开放一个出入口，请乘客留意站内公告。
## bahnhof
Der alte Bahnhof am Rand der Kleinstadt hat seit zwölf Jahren keinen Zug mehr gesehen. Nun möchte ein Verein das Gebäude kaufen und darin eine Werkstatt einrichten, in der man Fahrräder, Radios und Toaster gemeinsam repariert. Die Gemeinde ist nicht abgeneigt, verlangt aber ein Konzept für die Finanzierung, denn das Dach ist undicht und der Keller feucht. Der Verein rechnet mit Kosten von 140.000 Euro, von denen er ein Drittel selbst aufbringen will. Kritiker wenden ein, dass die Stadt das Grundstück für Wohnungen brauche. Die Vorsitzende des Vereins antwortet darauf, dass man neben den Gleisen ohnehin nicht schlafen könne, falls die Strecke, wie seit Jahren versprochen, eines Tages wieder eröffnet werde. Der Gemeinderat entscheidet im November.
## mercado
El mercado de los jueves ocupa la plaza desde antes de que la plaza tuviera nombre. Los primeros en llegar son los de la fruta, que montan los puestos a oscuras y se saludan por la tos. A las ocho aparecen las señoras con carro, que tocan todo y compran poco; a las diez, los jubilados, que no tocan nada y lo comentan todo. Este año el ayuntamiento quiere trasladar el mercado a un aparcamiento de las afueras, porque los camiones estropean el pavimento nuevo. Los vendedores han reunido tres mil firmas en un pueblo de cuatro mil habitantes. El alcalde dice que las respeta, pero que muchas están repetidas, y ha pedido que las cuente su cuñado.
## مكتبة
في الطابق الثاني من البناية القديمة مكتبة صغيرة لا يعرفها كثيرون. صاحبها معلّم متقاعد جمع كتبه خلال خمسين سنة، ثم قرر أن يفتح بابه لأطفال الحي كل يوم جمعة. لا توجد بطاقات ولا غرامات، بل دفتر واحد يكتب فيه الطفل اسمه واسم الكتاب ووعداً بأن يعيده. يقول المعلّم إن عدداً قليلاً من الكتب ضاع، وإن بعضها عاد بعد عشر سنوات مع أصحابه الذين صاروا آباء. وفي العام الماضي اقترحت البلدية أن تنقل المكتبة إلى مبنى حديث، فشكرها ورفض، لأن الأطفال، كما قال، يحبون صوت الدرج.
## 灯台
岬の灯台は三十年前に無人になったが、毎朝六時になると一人の老人が坂を上り、扉の前を掃く。元の灯台守ではない。若いころ漁に出て霧に巻かれ、この灯りだけを頼りに帰ってきたことがあるのだという。役場は危ないからやめてほしいと何度か頼んだが、老人は「借りを返しているだけだ」と言って聞かない。去年の台風で坂の手すりが流されたとき、真っ先に直したのは役場ではなく、その話を聞いた隣町の大工だった。今では月に一度、子どもたちも箒を持って坂を上る。灯りは自動で点くので、誰も見ていなくても変わらない。
## marché
La boulangerie du village ferme à la fin du mois, faute de repreneur. Le couple qui la tenait depuis vingt-six ans part à la retraite, et les trois candidats qui s'étaient présentés ont renoncé en voyant le four, qui date de 1962 et dont personne ne fabrique plus les pièces. La mairie propose d'acheter les murs et d'installer un distributeur de baguettes devant la poste. Les habitants, réunis vendredi soir, ont trouvé l'idée triste. Une retraitée a suggéré de faire le pain à tour de rôle dans le four de la salle des fêtes ; quatorze personnes ont levé la main, dont deux seulement savent faire du pain.
## volcano
The island's observatory consists of one room, nine seismometers and a retired physics teacher who reads them. In April the instruments began to pick up small tremors, too weak to be felt, about four kilometres below the northern slope. They came in swarms, thirty or forty in an hour and then nothing for days. The ground near the crater rose by eleven millimetres. On the mainland the experts were divided: some saw fresh magma on the move, others only hot water finding a new path. The teacher, asked on the radio whether people should leave, said that he himself had packed a bag and put it by the door, and that he had done the same in 1998 and in 2011 and had unpacked it both times.
## compiler
A compiler that warns about everything soon warns about nothing, since nobody reads the output. The team that maintains our build found 3,400 warnings in a clean compile and decided, instead of fixing them all, to fix only the kinds that had ever led to a bug. They went through four years of incident reports and found that six of the forty-one warning classes accounted for every case in which the compiler had tried to tell us. Those six are now errors. The other thirty-five are switched off in the main build and collected once a week in a report that one person, by rota, must skim. In the ten months since then, two bugs were caught by the new errors, and one slipped through in a class that had been switched off. It's now the seventh.
## garden
The school garden was meant to teach biology, but it has mostly taught arithmetic. The children found that a packet of 250 carrot seeds costs as much as a kilo of carrots, and concluded that gardening is a bargain; then they counted the watering, at ten minutes a day for fifteen weeks, and concluded that it's a swindle. A girl in the fourth year objected that the watering was more fun than the carrots. The class voted to record the time twice, once as cost and once as benefit, and the result now hangs in the corridor: one kilo of carrots, seventeen and a half hours of work, seventeen and a half hours of not being indoors.
## recall
We are recalling the folding high chair sold under the name Pico between March and September. In some chairs the locking pin on the left-hand side is two millimetres too short and may slip out if the chair is pushed sideways while a child is sitting in it. We know of nine cases, in one of which a child was bruised. The affected chairs carry a batch number that begins with K4 or K5, printed on a white label beneath the seat. If yours is one of them, please stop using it at once. You may either have a new pin sent to you, which can be fitted with a coin in about a minute, or return the chair to any shop for the full price, without a receipt.
## chess
The café had one chessboard and one rule: the loser pays for the coffee. For years nobody beat the retired tram driver who sat under the clock, and he hadn't bought a cup since the change of currency. Then a boy of about ten came in out of the rain with his mother, looked at the position on the board, which the tram driver was winning, and asked politely why Black didn't just give away the rook. There was a silence. The other man, who'd been about to resign, gave away the rook. Six moves later the tram driver stood up, shook the boy's hand, and bought coffee for everybody in the room, including the mother, who didn't drink it.
## migration
Each autumn some ten thousand cranes rest for two or three weeks on the shallow lakes east of the city before they fly on to the south. The farmers used to dread them, because a crane can eat 300 grams of winter wheat in a day. Since 2009 the county has paid for about sixty hectares of harvested maize to be left standing as a distraction, and the damage has fallen by four fifths. Visitors have come instead: last year 22,000 of them, most on two weekends, with telescopes and thermos flasks. The birds don't seem to mind the telescopes. They do mind dogs, drones and car doors, in that order, and the rangers have put up signs that say so, with drawings.
## hospital
The new ward rota was meant to give every nurse two free weekends in four. In practice, the computer counts a weekend as free when it contains no shift that begins on it, so that a night shift from Friday evening to Saturday morning leaves the weekend officially untouched. Eleven of nineteen nurses have worked such nights in both of their "free" weekends this month. The software firm says that the rule can be changed within a day but must be requested by the hospital's IT department, which says that it needs the approval of the personnel office, which says that the rota complies with the contract as written. The ward sister has meanwhile gone back to a sheet of squared paper, and sickness has halved.
## contract
We offer to design and print 2,000 copies of the festival programme (48 pages, two colours, stapled) for 3,450 net. The price includes two rounds of correction; each further round costs 120. We need the final texts by 2 May and the pictures, at no less than 300 dots per inch, by 6 May. If both dates are kept, we'll deliver on 24 May to the festival office, ground floor. For each working day by which the texts or pictures are late, delivery moves by the same number of days, and we can't promise anything for material that arrives after 16 May. Payment is due within 14 days of delivery. This offer stands until 20 April. Our general terms, overleaf, apply in so far as they don't contradict this letter.
"""
for _block in _RAW.strip().split("## ")[1:]:
    _key, _, _body = _block.partition("\n")
    PASSAGES[_key.strip()] = _body.strip()

# (instruction, keys, where the instruction stands)
PASSAGE_TASKS = [
    ("Summarise the following passage in two sentences.", ["tide"], "before"),
    ("What evidence would strengthen or weaken the association's suspicion? Base your answer only on the text.", ["bees"], "after"),
    ("Explain this clause to a tenant in plain English, as a short list of who pays for what:", ["lease"], "before"),
    ("Write a referral note of no more than 80 words from these clinic notes. Don't add findings that aren't there.", ["clinic"], "before"),
    ("List the decisions in these minutes as bullet points, each with the person responsible, if there is one.", ["bridge"], "before"),
    ("Which claims in this text are about what has been observed, and which are speculation? Quote a few words for each.", ["octopus"], "after"),
    ("Continue this text by one paragraph in the same voice.", ["ledger"], "after"),
    ("Turn this into a numbered explanation for a leaflet, six steps at most, each under fifteen words.", ["heatpump"], "before"),
    ("Translate this memo into German. Keep the friendly tone.", ["memo"], "before"),
    ("What mood does the last sentence leave you with, and how does the author bring it about?", ["orchard"], "after"),
    ("Write three headlines for this report: one sober, one for the unions' newspaper and one for the employers'.", ["inflation"], "before"),
    ("tl;dr?", ["glass"], "after"),
    ("Make a timeline out of this story, with one line for each event.", ["strike"], "before"),
    ("You're the mediator. Write the opening statement that you'd read to both town councils, in under 150 words.", ["river"], "after"),
    ("Write a blameless incident report from these notes, with the headings Impact, Timeline, Causes and Actions.", ["security"], "before"),
    ("请用三句话概括下面的故事，并说明老板为什么叹气。", ["茶馆"], "before"),
    ("根据上面的通知，列出末班车时间表，并回答：周六凌晨一点还能坐地铁吗？", ["地铁"], "after"),
    ("Fasse den folgenden Zeitungsartikel in drei Sätzen zusammen und nenne je ein Argument dafür und dagegen.", ["bahnhof"], "before"),
    ("¿Qué recursos usa el autor para que el texto resulte irónico? Señala al menos tres y explica el último.", ["mercado"], "after"),
    ("لخّص النص التالي في جملتين، ثم اقترح له عنواناً.", ["مكتبة"], "before"),
    ("次の文章を小学生向けにやさしく書き直してください。", ["灯台"], "before"),
    ("Résume ce texte en une phrase, puis traduis ta phrase en anglais.", ["marché"], "before"),
    ("Draft a radio announcement, thirty seconds long, that is true to this text and makes nobody panic.", ["volcano"], "after"),
    ("Is the team's method sound? Give its best feature and its biggest blind spot.", ["compiler"], "after"),
    ("Check the arithmetic in this passage and tell me whether the children's numbers agree with each other.", ["garden"], "before"),
    ("Extract the following as JSON with the keys product, sold_from, sold_to, defect, batches (a list), remedies (a list) and incidents (a number).", ["recall"], "before"),
    ("Retell this from the boy's point of view, in the present tense.", ["chess"], "after"),
    ("Write five quiz questions with short answers about the text below.", ["migration"], "before"),
    ("Write a one-paragraph complaint from the ward sister to the personnel office; polite, precise, no sarcasm.", ["hospital"], "after"),
    ("If the texts arrive on 5 May and the pictures on 6 May, when will the programmes be delivered? Quote the sentence that you rely on.", ["contract"], "after"),
    ("Translate this Chinese story into natural English:", ["茶馆"], "before"),
    ("Translate into English and keep the humour of the final line.", ["mercado"], "before"),
    ("Rewrite this as a conversation between two neighbours over a fence.", ["bees"], "after"),
    ("Highlight every number in this text and say what it counts.", ["memo"], "before"),
    # bundles
    ("Below are two short texts about people and water. What do they have in common beyond the subject, and which of the two makes an argument?", ["tide", "river"], "before"),
    ("Compare these two texts: in each, a rule meets reality. Who notices first, and what does each of them do about it?", ["hospital", "compiler"], "after"),
    ("I'm editing a small magazine and have room for two of these three pieces. Tell me which one to drop and why, and suggest an order for the other two.", ["orchard", "ledger", "chess"], "before"),
    ("Lies die beiden Texte und vergleiche auf Deutsch, wie die Gemeinde jeweils mit ihren Bürgern umgeht.", ["bahnhof", "marché"], "before"),
    ("Read all four notices and then answer: (1) Which of them asks the reader to do something? (2) Which gives a deadline? (3) Which one would you rewrite first, and how? Answer in a table.", ["recall", "memo", "contract", "lease"], "before"),
    ("For a course in science writing: rank these texts by how honestly they deal with uncertainty, best first, with a quotation of at most ten words from each as evidence.", ["volcano", "bees", "octopus", "glass"], "after"),
    ("Here are five clippings for the local-history wall. Write a caption of about twenty words for each, a title for the whole wall, and one sentence on what a visitor of twelve should take home.", ["strike", "ledger", "tide", "migration", "garden"], "before"),
    ("Two reports from the same week. Write a joint briefing of 120 words for a busy director, in which the more urgent one comes first, and end with one recommendation for each.", ["security", "inflation"], "after"),
]

# ---------------------------------------------------------- chat transcripts
CHATS = r"""
User: hi, my order says delivered but there's nothing here
Assistant: I'm sorry about that. Could you tell me the order number and whether you have a neighbour who sometimes takes parcels in?
User: 88213. And no, the neighbour's away until the 3rd
Assistant:
---
[21:04] Ren: anyone up for the lake tomorrow?
[21:05] Dana: depends, is the water over 18°?
[21:05] Ren: 19.5 at the jetty 😎
[21:09] Milo: can't before 2, dentist 😭
[21:11] Dana: then 3? I'll bring melon
[21:12] Ren: 3 it is, meet at the kiosk

When and where do they meet, who brings what, and who couldn't come earlier? Answer in one line.
---
Customer: The new router drops the connection every evening at about eight.
Agent: Have you tried restarting it?
Customer: Every evening at about eight.
Agent: I see. Does it happen with a cable as well?
Customer: I don't own a cable. I was told that it was wireless.

Write the agent's next three messages. They should find out the cause step by step and not make the customer feel stupid.
---
A: Hast du den Schlüssel?
B: Welchen?
A: Den vom Keller.
B: Den habe ich dir doch gestern gegeben.
A: Nein, gestern hast du mir den vom Fahrrad gegeben.
B: Dann hängt er noch am Haken.
A: Am Haken hängt nur deine Jacke.

Wo könnte der Schlüssel sein? Nenne die wahrscheinlichste Möglichkeit und begründe sie mit dem Gespräch.
---
System note: you are a booking assistant for a small hotel with nine rooms. No pets, breakfast until 10.
Guest: Hello! Do you have a double room from the 14th to the 17th? We'd be two adults and a very small, very quiet dog.
Assistant: Thank you for asking! A double room is free on those nights. I'm afraid that we can't take dogs, not even quiet ones.
Guest: She's more like a cat really.
Assistant:
---
小王：昨天的会议纪要你发了吗？
小李：还没有，客户说预算那一段要改。
小王：改成多少？
小李：从二十万改成十八万，但是要加一次现场培训。
小王：培训谁去？
小李：我以为是你去。
小王：我下周请假啊。

请根据这段聊天写一份三条的待办事项，注明负责人，不确定的地方请标出来。
---
Interviewer: Tell me about a time when you disagreed with your manager.
Candidate: We shipped on Fridays. I thought that was reckless. I kept a list for two months: seven of nine night calls came after a Friday release. I showed her the list, and we moved to Tuesdays.
Interviewer: And if she had said no?

Answer as the candidate, in fewer than eighty words, without boasting.
---
patient: the cream burns a bit, is that normal?
pharmacist: A little tingling for a few minutes is common. Does it get red or blister?
patient: red yes, blisters no. its gone after an hour
pharmacist: How often do you put it on?
patient: every 2 hours, it says "apply generously"
pharmacist:
---
Tutor: What's three quarters of 60?
Student: 20?
Tutor: How did you get that?
Student: I divided by 3 because it says three.
Tutor:

Write the tutor's next turn. Don't give the answer; ask a question that lets the student see the mistake with a drawing or with coins.
---
[#incidents]
kofi: checkout p95 is at 4.1s, usually 600ms
lena: deploy went out 09:52, graph bends 09:55
kofi: only in eu-west though
lena: the flag for the new tax service is on only in eu-west
kofi: turning it off
kofi: p95 back to 700ms
lena: so not the deploy?
kofi: deploy added the call, flag turned it on

Summarise this for the status page in two sentences that a customer would understand, and for the engineers in three bullet points.
---
Abuela: ¿Y tú comes bien allí?
Nieto: Sí, abuela, muy bien.
Abuela: ¿Qué cenaste ayer?
Nieto: Pues... pasta.
Abuela: ¿Y el domingo?
Nieto: Pasta también, pero distinta.
Abuela: Te mando croquetas.

Continúa la conversación con cuatro líneas más, en las que el nieto intenta cambiar de tema y no lo consigue.
---
User: write me a poem about rain
Assistant: Rain again, and the gutter sings / of all the unimportant things.
User: shorter
Assistant: Rain. The gutter hums.
User: now angrier, and in Italian
Assistant:
---
客：すみません、この靴の二十七センチはありますか。
店員：申し訳ございません、あいにく二十六・五までなんです。
客：そうですか。少しきつくても伸びますか。
店員：

店員の返事を、正直で丁寧な日本語で二文書いてください。
---
Mum: Did you call the insurance?
Me: They said the form was wrong.
Mum: Which form?
Me: The one you filled in.
Mum: I filled in the one you printed.
Me: I printed the one they sent.

Who's to blame, if anyone? Give me a peaceful sentence with which I can end this conversation.
---
Game master: You stand at the edge of a frozen canal. On the far bank, a lantern swings although there's no wind. What do you do?
Player: I throw a stone onto the ice and listen.
Game master: It rings like a bell, much too long. Something under the ice rings back.
Player: I answer with two stones.
Game master:
---
Reporter: Minister, will the tunnel be finished by 2030?
Minister: We've always said that quality comes before haste.
Reporter: Is that a no?
Minister: It's a commitment to quality.
Reporter: In 2019 you promised 2026.
Minister: In 2019 the mountain was assumed to be drier.

Rewrite the minister's three answers so that they're honest, brief and still diplomatic.
"""

# ------------------------------------------------- sentences for translation
SENTENCES = [
    ("English", "The key is under the third flowerpot, unless my brother has been here."),
    ("English", "She read the letter twice, folded it into a boat and set it on the canal."),
    ("English", "Please don't feed the ponies; they've learnt to open rucksacks."),
    ("English", "By the time the soup was ready nobody was hungry, so we talked instead."),
    ("English", "Payment is due within thirty days of the date of this invoice, after which interest accrues."),
    ("English", "Take one tablet twice a day after food, and don't lie down for half an hour afterwards."),
    ("German", "Der Regen kam so plötzlich, dass selbst die Enten überrascht aussahen."),
    ("German", "Bitte beachten Sie, dass der Aufzug nur bis zum vierten Stock fährt."),
    ("German", "Wer den Schlüssel verliert, zahlt das Schloss und erzählt die Geschichte dazu."),
    ("Spanish", "Mi vecino toca la trompeta con más entusiasmo que oído."),
    ("Spanish", "Se ruega no apoyar las bicicletas contra el escaparate."),
    ("Spanish", "Lo que no cabe en la maleta tampoco cabe en el viaje."),
    ("French", "Il faudra bien que quelqu'un prévienne le chat que nous avons déménagé."),
    ("French", "La réunion est reportée à une date que nous connaîtrons plus tard."),
    ("Chinese", "他把伞借给了别人，自己淋着雨走回了家。"),
    ("Chinese", "这家店的面虽然贵一点，但是老板从来不催客人。"),
    ("Chinese", "如果明天还是这么冷，我们就在家里包饺子吧。"),
    ("Japanese", "駅までの道を聞いたら、その人は一緒に歩いてくれた。"),
    ("Japanese", "お手数ですが、添付の書類をご確認のうえ、ご返信ください。"),
    ("Arabic", "لا تستعجل الطريق، فالقرية لن تتحرك من مكانها."),
    ("Arabic", "نعتذر عن التأخير، وسنعيد إليكم ثمن التذكرة خلال أسبوع."),
    ("Russian", "Дедушка чинил часы и никогда никуда не опаздывал."),
    ("Portuguese", "A chuva parou, mas o telhado ainda não sabe disso."),
    ("Italian", "Prima di aprire la finestra, controlla che il gatto non stia dormendo sul davanzale."),
]

NAMES = ("Amara Björn Chiara Dmitri Elif Farid Greta Hiroshi Ingrid Jamal Katya Leila "
         "Mateo Noor Oskar Priya Quentin Rosa Sipho Tomasz Uma Viktor Wanjiru Xenia "
         "Yusuf Zoë").split()
TOWNS = ("Aarhus Bergamo Coimbra Dresden Évora Ghent Hobart Izmir Jaipur Kraków León "
         "Malmö Nantes Oaxaca Poznań Quito Rabat Sapporo Tartu Utrecht").split()


# ---------------------------------------------------------------- generators
# Each takes a Random and an index, and returns one prompt. The index walks
# through the hand-written variants, the Random fills in numbers and names.
def g_maths(r, i):
    a, b = r.sample(NAMES, 2)
    n, m, k = r.randint(3, 9), r.randint(12, 40), r.randint(2, 6)
    v = [
        lambda: f"{a} buys {n} notebooks at {m / 10:.2f} each and {k} pens at {r.randint(60, 190) / 100:.2f} each, and pays with a 50 note. How much change is due?",
        lambda: f"A tank holds {m * 20} litres. One pipe fills it at {n} litres a minute while a leak at the bottom loses {k} litres every five minutes. How long until it's full, if it starts a quarter full?",
        lambda: f"{a} can paint a fence in {n + k} hours and {b} in {n + 2 * k} hours. They start together, but {b} leaves after {min(2, n - 1)} hours. How long does {a} need for the rest? Give the answer in hours and minutes.",
        lambda: f"The sum of three consecutive odd numbers is {3 * (2 * m + 1)}. What are they? Explain how you'd find them without algebra.",
        lambda: f"A shop raises the price of a lamp by {n * 5}% and then, a month later, takes {n * 5}% off. {a} says that it's back to the old price; {b} says that it isn't. Who's right, and what does a lamp of {m * 4} cost at the end?",
        lambda: f"In a bag there are {n} red, {k} green and {n + k - 1} white beans. You draw two without looking and without putting any back. What's the probability that they have different colours? Leave it as a fraction in lowest terms.",
        lambda: f"A rectangle is {k} cm longer than it is wide and has an area of {m * (m + k)} cm². Find its sides and its diagonal, the latter rounded to one decimal.",
        lambda: f"Let f(x) = x³ − {n}x² + {k}x. Find all the stationary points, say which is a maximum and which a minimum, and sketch in words what the curve does for large negative x.",
        lambda: f"{a} saves {m} a month at {k / 2 + 1:.1f}% a year, credited monthly. How much is there after {n} years, and how much of that is interest? State the formula first.",
        lambda: f"Ein Zug ist {m * 5} Meter lang und fährt mit {n * 12 + 30} km/h durch einen {k * 350} Meter langen Tunnel. Wie lange dauert es von der Einfahrt der Lok bis zur Ausfahrt des letzten Wagens?",
        lambda: f"一个水池有甲、乙两根水管。单开甲管{n}小时可以注满，单开乙管{n + k}小时可以注满。如果先开甲管{min(k - 1, n - 2)}小时，再两管同时打开，还需要多少小时才能注满？",
        lambda: f"{a} y {b} reparten {m * n} caramelos en la proporción {k} a {k + 1}, y lo que sobra se lo queda el perro. ¿Cuántos caramelos le tocan al perro?",
        lambda: f"Consider the sequence that starts with {n}, {n + k}, and in which every later term is the sum of the two before it. Show that no term after the second is ever equal to {n + k + 1} when the first two are as given, or find one that is.",
        lambda: f"Three friends share a bill of {m * 3 + n}.{k}5. {a} had only soup and pays {k + 4} less than each of the other two. What does everybody pay, and does it come out even to the cent?",
    ]
    return v[i % len(v)]()


def g_table(r, i):
    rows = r.choice([4, 5, 6, 7, 8, 10, 12])
    kind = i % 6
    if kind == 0:
        head = "date,town,temp_min,temp_max,rain_mm"
        body = [f"2021-{r.randint(3, 10):02d}-{r.randint(1, 28):02d},{r.choice(TOWNS)},{(lo := r.randint(-3, 14))},{lo + r.randint(4, 13)},{r.choice([0, 0, 0, 1.2, 3.4, 11.8, 0.4])}" for _ in range(rows)]
        q = ["Which town had the widest range between minimum and maximum, and on which day did it rain the most?",
             "Turn this into a Markdown table, sorted by date, and leave out the days without rain.",
             "Plot this as a text chart with one line per row, using # for each degree between minimum and maximum."][i // 6 % 3]
    elif kind == 1:
        head = "| Item | Qty | Unit price | Supplier |\n|---|---|---|---|"
        items = r.sample(["flour 25 kg", "olive oil 5 l", "tinned tomatoes", "paper bags", "dried yeast", "sea salt", "rye grain", "baking paper", "sunflower seeds", "oat flakes", "spelt", "butter 1 kg"], rows)
        body = [f"| {x} | {r.randint(1, 40)} | {r.randint(90, 4200) / 100:.2f} | {r.choice(['Halden', 'Moreau & fils', 'Kestrel', 'Obi Foods'])} |" for x in items]
        q = ["Add a total column and a grand total, and tell me from which supplier we buy the most by value.",
             "Write a short order e-mail to each supplier in this table. Mention quantities but not prices.",
             "We have to cut this order to about half its value without stopping the bakery. What goes, what stays, and why?"][i // 6 % 3]
    elif kind == 2:
        head = "runner;age;5km;10km"
        body = [f"{x};{r.randint(17, 68)};{(p := r.randint(18, 33))}:{r.randint(0, 59):02d};{2 * p + r.randint(1, 7)}:{r.randint(0, 59):02d}" for x in r.sample(NAMES, rows)]
        q = ["Who slowed down the most between five and ten kilometres, in seconds per kilometre? Show the working for the top two.",
             "Schreibe eine kurze Meldung für die Vereinszeitung zu diesen Ergebnissen, höchstens vier Sätze.",
             "Convert both times to seconds, add the pace per kilometre, and rank the runners by the 10 km time. Return semicolon-separated text."][i // 6 % 3]
    elif kind == 3:
        head = "month\tvisitors\trevenue\tstaff_hours"
        months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
        body = [f"{x}\t{r.randint(400, 5200)}\t{r.randint(2000, 31000)}\t{r.randint(210, 680)}" for x in months[:rows]]
        q = ["Compute the revenue per visitor for every month and point out anything that looks like a typing error.",
             "What would you ask the museum's manager after seeing these figures? Give me three questions, the most useful first.",
             "Which month was the least efficient in visitors per hour of staff time? Write it up as one line for a slide."][i // 6 % 3]
    elif kind == 4:
        head = "学生,语文,数学,英语"
        body = [f"{x},{r.randint(58, 99)},{r.randint(58, 100)},{r.randint(55, 98)}" for x in r.sample(["张伟", "李娜", "王芳", "刘洋", "陈静", "杨帆", "赵磊", "黄丽", "周涛", "吴敏", "徐强", "孙悦"], rows)]
        q = ["请计算每位学生的平均分，并指出哪一科全班的差距最大。",
             "请根据这张成绩表给班主任写一段三句话的总结，不要点名批评任何学生。",
             "Translate the header of this table into English, romanise the names, and sort the pupils by their total, highest first."][i // 6 % 3]
    else:
        head = "patient_id,age,sex,dose_mg,days,outcome"
        body = [f"{r.randint(1000, 9999)},{r.randint(22, 88)},{r.choice('FM')},{r.choice([5, 10, 20])},{r.randint(3, 21)},{r.choice(['improved', 'improved', 'unchanged', 'worse'])}" for _ in range(rows)]
        q = ["Is there any sign in these made-up data that the dose matters? Say clearly what so few rows can and can't show.",
             "Write a pandas snippet that reads this text from a string and prints the share of improved patients by dose.",
             "Check this file for rows that a careful clerk would query before using it, and write the query that you'd send to the ward."][i // 6 % 3]
    data = head + "\n" + "\n".join(body)
    return f"{q}\n\n{data}" if r.random() < 0.6 else f"{data}\n\n{q}"


def g_json(r, i):
    a, b = r.sample(NAMES, 2)
    kind = i % 6
    if kind == 0:
        obj = {"order": r.randint(10000, 99999), "customer": {"name": a, "city": r.choice(TOWNS)},
               "lines": [{"sku": f"{r.choice('ABCD')}-{r.randint(100, 999)}", "qty": r.randint(1, 9), "price": r.randint(199, 8999) / 100} for _ in range(r.randint(2, 5))],
               "paid": r.random() < 0.5}
        q = r.choice(["Write a JSON Schema for documents like this one. Quantities must be positive.", "What's the total of this order? Show the sum line by line."])
    elif kind == 1:
        obj = {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"park": t, "trees": r.randint(3, 400)}, "geometry": {"type": "Point", "coordinates": [r.randint(-900, 2500) / 100, r.randint(3600, 6000) / 100]}} for t in r.sample(["Mill Green", "Old Cemetery", "Swan Field", "Harbour Walk", "Observatory Hill", "Tannery Garden"], r.randint(2, 4))]}
        q = ["Which of these points lies furthest north? And is the order of the coordinates longitude first or latitude first?",
             "Write a Python function that reads such a collection and returns the parks sorted by the number of trees. Standard library only.",
             "How would I put these points on a map on a web page without sending my visitors' addresses to anybody else's server?"][i // 6 % 3]
    elif kind == 2:
        obj = {"user": a.lower(), "roles": r.sample(["viewer", "editor", "billing", "admin", "auditor"], 3), "settings": {"theme": r.choice(["dark", "light"]), "lang": r.choice(["de", "pt-BR", "zh-Hant", "ar"]), "beta": None}, "lastLogin": f"2022-0{r.randint(1, 9)}-1{r.randint(0, 9)}T0{r.randint(0, 9)}:15:00Z"}
        q = ["Convert this to YAML and to TOML. One of the two can't express one of the values: which, and what would you do about it?",
             "Which roles would you take away from this user if they only proof-read articles? Return the corrected document.",
             "Design a relational schema for records like this: tables, keys and types. Explain what you do about the null."][i // 6 % 3]
    elif kind == 3:
        obj = [{"q": "Wie viele Bundesländer hat Deutschland?", "a": ["14", "16", "18"], "ok": 1}, {"q": "Wie heißt der längste Fluss?", "a": ["Donau", "Elbe", "Isar"], "ok": 0}] if i // 6 % 2 else [{"q": "¿Capital de Perú?", "a": ["Lima", "Cuzco", "Quito"], "ok": 0}, {"q": "¿Cuántos lados tiene un hexágono?", "a": ["5", "6", "8"], "ok": 1}, {"q": f"¿{r.randint(12, 19)} × {r.randint(3, 9)}?", "a": ["no lo sé", "más de 50", "depende"], "ok": r.randint(0, 2)}]
        q = ["Revisa este cuestionario, corrige la pregunta mal planteada y devuelve solamente el JSON, sin comentarios.",
             "Eine der Fragen ist ungenau gestellt. Welche, und wie müsste sie lauten? Ergänze danach zwei weitere Fragen im selben Format."][i // 6 % 2]
    elif kind == 4:
        obj = {"recipe": r.choice(["leek tart", "plum jam", "bean soup", "rye crispbread"]), "serves": r.randint(2, 8), "minutes": {"prep": r.randint(5, 30), "cook": r.randint(10, 90)}, "tags": r.sample(["vegan", "freezes well", "cheap", "spicy", "winter"], 2), "rating": r.choice([None, 3.5, 4, "4.5"]), "author": {"name": b, "town": r.choice(TOWNS)}}
        q = r.choice(["Write a Rust struct with serde attributes for this, and say how you'd treat the rating, which may be a number, a string or null.", "Generate three more objects of the same shape, with different recipes and plausible times. JSON only.", "In TypeScript, write a type and a function that validates unknown input against it without any library."])
    else:
        obj = {"place": r.choice(["greenhouse", "cellar", "attic", "stable"]), "device": f"sensor-{r.randint(1, 60):02d}", "readings": [round(r.uniform(2, 29), 1) for _ in range(r.randint(6, 24))], "unit": "C", "ok": True}
        q = r.choice(["Describe these readings in one sentence, for somebody who can't see a chart.", "Write a jq filter that gives the device and the largest reading as one tab-separated line."])
    text = json.dumps(obj, ensure_ascii=False, indent=r.choice([None, 2]))
    return f"{q}\n\n```json\n{text}\n```" if r.random() < 0.5 else f"{q}\n{text}"


def g_mail(r, i):
    a, b = r.sample(NAMES, 2)
    day = r.choice(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"])
    town = r.choice(TOWNS)
    v = [
        f"Write a short e-mail from {a} to {b}: the train to {town} is cancelled, the meeting on {day} can be held by video or moved by a week, and {a} prefers the latter. Sign off warmly.",
        f"Please answer this e-mail for me. I want to say yes to the talk but no to the dinner.\n\nDear {a},\n\nWe would be delighted if you could speak at our autumn meeting in {town} on {day} the {r.randint(3, 27)}th. The talk is at five and lasts forty minutes; afterwards we usually have dinner at the Golden Carp, which tends to be long and merry. Could you let me know by the end of the week, with a title, and tell us if you need a projector?\n\nKind regards,\n{b}",
        f"Make this e-mail half as long and twice as friendly:\n\n\"{b}, as I already wrote in my last three messages, the figures for {town} are still missing. It isn't possible for me to finish the report without the figures for {town}. I've told everybody that the report would be ready on {day}. It won't be ready on {day} if I don't have the figures. Please send the figures. {a}\"",
        f"Schreibe eine E-Mail an die Reinigungsfirma in {town}: Am {r.choice(['Montag', 'Mittwoch', 'Freitag'])} wurde das Treppenhaus zum dritten Mal nicht gereinigt, die Rechnung kam trotzdem. {a} aus dem ersten Stock hat Fotos gemacht. Bitte um Gutschrift und einen Anruf.",
        f"Redacta un correo de {a} para {b}, que empieza a trabajar el {r.randint(2, 28)} de mayo en la oficina de {town}. Tiene que saber dónde recoger la tarjeta, a qué hora se come y que los jueves nadie contesta antes de las once. Tono cercano, sin exclamaciones.",
        f"Subject: Re: Re: Fwd: keys\n\nHi {b}, it's {a} again. The locksmith says that the lock is fine and that the key is the problem; the shop says that the key is fine and that the lock is the problem. I've paid both. Would you mind if I climbed in by the bathroom window on {day}? I'd tell the neighbours first.\n\n---\nWrite {b}'s reply. {b} owns the flat, likes {a}, and is terrified of ladders.",
        f"Classify the urgency of this message on a scale from 1 to 5, and give one sentence of reasoning: \"Hello team, no hurry at all, but water has been coming through the ceiling of room {r.randint(101, 412)} since {day}, and the lamp has begun to hum. Best, {a}\"",
        f"Draft an out-of-office reply for {a}: away until {day} week, {b} deals with invoices, everything else waits. It may be slightly funny, but our clients in {town} are rather formal.",
        f"以{r.choice(['项目经理', '人事部', '图书馆'])}的名义写一封通知邮件：本周五下午大楼停电两小时，请大家提前保存文件、关闭电脑，并把冰箱里容易坏的东西带走。语气轻松一点，不超过一百字。",
        f"Read this thread and tell me what has actually been agreed.\n\nFrom {a}: Shall we say 400 for the van, both days, you fill the tank?\nFrom {b}: 400 sounds fair. I'd rather not do the tank, it was nearly empty last time.\nFrom {a}: OK, half a tank. And it's back by eight on {day}?\nFrom {b}: Nine, if the ferry from {town} is late.\nFrom {a}: Then nine. Ring me from the harbour in any case.",
        f"{a} and {b} have both written to me about the same room in {town} for the same {day}. {a} asked first, but by telephone, and I forgot to note it; {b} has a written confirmation from me. Write one e-mail to each. Tell both the truth, offer {a} the smaller room at half the price, and don't blame the computer.",
        f"Here are my notes for an e-mail, please make them into one: thank {b} for the visit to {town}; the samples arrived, two of {r.randint(5, 12)} broken; no need to send new ones; but next time other packing? attach photo; ask about price for {r.randint(2, 9) * 100} pieces; greetings to the colleague with the motorbike. Businesslike but not stiff, about a hundred words.",
        f"اكتب رسالة إلكترونية من {a} إلى {b} للاعتذار عن عدم حضور اجتماع يوم الأربعاء في {town} بسبب مرض الطفل، مع اقتراح موعدين بديلين وإرفاق الملاحظات التي كان من المفترض أن تُعرض. لتكن الرسالة قصيرة ورسمية.",
        f"{a}様から届いた「納期を一週間早められないか」というメールへの返信を書いてください。全数は無理ですが、{r.randint(3, 8)}割なら{r.randint(10, 25)}日までに発送できます。残りは予定どおりです。追加料金は不要ですが、次回は早めに相談してほしいことも、やわらかく伝えてください。",
    ]
    return v[i % len(v)]


def g_log(r, i):
    host = r.choice(["web-1", "db-2", "mail", "edge-7"])
    h, m, top = r.randint(0, 22), r.randint(0, 40), r.choice([10, 20, 32])
    lines, t = [], 0
    pool = [
        ("INFO", lambda: f"request id={r.randrange(16**6):06x} path=/api/v{r.randint(1, 2)}/items status=200 ms={r.randint(4, 90)}"),
        ("INFO", lambda: f"cache size={r.randint(200, 990)}MiB hit_rate={r.randint(61, 98)}%"),
        ("WARN", lambda: f"slow query ({r.randint(2, 9)}.{r.randint(0, 9)} s) on table bookings"),
        ("WARN", lambda: f"retrying upstream 10.0.{r.randint(0, 9)}.{r.randint(2, 250)} attempt={r.randint(1, 3)}"),
        ("ERROR", lambda: f"connection pool exhausted (max={top}, waiting={r.randint(3, 60)})"),
        ("ERROR", lambda: f"request id={r.randrange(16**6):06x} path=/api/v2/checkout status=503 ms={r.randint(3000, 9999)}"),
    ]
    for _ in range([4, 7, 10, 5, 14, 8, 6, 18][i % 8]):
        t += r.randint(1, 19)
        lvl, f = r.choice(pool)
        lines.append(f"{h:02d}:{m + t // 60:02d}:{t % 60:02d} {host} {lvl} {f()}")
    q = ["What's the most likely root cause here? Name the line that convinces you.",
         "Count the lines per level and give me a one-sentence summary for the hand-over.",
         "Write an awk command that prints only the errors and the number of seconds since the first line.",
         "Explique este registro a un gerente que no es técnico, en tres frases.",
         "I'm new here. Explain to me what each kind of line in this log means and which ones should wake me at night.",
         "このログから読み取れる問題を一つ挙げ、次に確認すべきことを二つ書いてください。",
         "Propose an alert rule based on this excerpt: condition, window and threshold, and why it wouldn't fire on a harmless blip.",
         "Turn this log into a short narrative incident timeline, grouped by minute, without repeating identical messages."][i % 8]
    return q + "\n\n" + "\n".join(lines)


def g_translate(r, i):
    langs = ["English", "German", "Spanish", "Chinese", "Japanese", "Arabic", "French", "Swahili", "Dutch", "Korean", "Turkish", "Hindi"]
    src, s = SENTENCES[i % len(SENTENCES)]
    dst, alt = r.sample([x for x in langs if x != src], 2)
    v = [f"Translate from {src} into {dst}: {s}",
         f"How would you say this in {dst}, to a friend? \"{s}\"",
         f"{s}\n\nGive a literal {dst} translation, then a natural one, and explain the biggest difference.",
         f"Translate this {src} sentence into {dst} and {alt}, and mark any word for which there's no good equivalent:\n{s}",
         f"A student translated this for homework and isn't sure about the tense. Give the correct {dst} version and one note on grammar. The {src} original: {s}"]
    return v[(i * 3 + i // 5) % len(v)]


def g_cook(r, i):
    veg = r.sample(["leeks", "carrots", "red cabbage", "courgettes", "fennel", "beetroot", "kale", "sweet potatoes", "mushrooms", "green beans"], 3)
    base = r.choice(["brown lentils", "short-grain rice", "couscous", "white beans", "egg noodles", "polenta", "barley"])
    n, t = r.randint(2, 8), r.choice([20, 30, 45, 60, 90])
    no = r.choice(["nuts", "gluten", "dairy", "eggs", "garlic"])
    v = [f"Dinner for {n} with {base}, {veg[0]} and {veg[1]}, in {t} minutes, and nothing with {no}. What do you suggest?",
         f"I overcooked the {base} and ended up with mush. I also have {veg[0]}, {veg[1]} and {veg[2]}. How do I turn this into something that looks intended?",
         f"Write a weekly menu (Monday to Friday) for {n} people around {veg[0]}, {veg[1]} and {base}. No dish may come up twice, one guest avoids {no}, and on Wednesday there are only {min(t, 30)} minutes. Add a shopping list sorted by the shelves of a usual supermarket.",
         f"Is it true that one shouldn't wash {veg[0]} before storing? And what about {veg[1]}?",
         f"Recipe card, please: {base} with {veg[2]} and a lemon dressing, for {n}. Ingredients in grams, steps numbered, and a note on what can be prepared the day before.",
         f"Proponme una cena para {n} personas con {r.choice(['lentejas', 'arroz', 'patatas', 'calabaza'])} y lo que haya en temporada, lista en {t} minutos. Uno de los invitados no tolera {r.choice(['el gluten', 'la lactosa', 'los frutos secos'])}.",
         f"我想用{r.choice(['茄子', '土豆', '白菜', '冬瓜'])}和{r.choice(['豆腐', '鸡蛋', '五花肉', '虾皮'])}做一道{t}分钟以内的家常菜，{n}个人吃，不要太辣。请写出用量和步骤。",
         f"Wine or no wine? I'm braising {veg[0]} and {veg[2]} for {t} minutes and one of my {n} guests doesn't drink. Give me an alternative with the same acidity and depth."]
    return v[i % len(v)]


def g_travel(r, i):
    x, y, z = r.sample(TOWNS, 3)
    n, d = r.randint(1, 5), r.randint(2, 9)
    v = [f"Plan {d} days in {x} for {n + 1} people who like old buildings, hate queues and need a nap after lunch. Mornings and evenings only, with one free day.",
         f"I've got a layover of {d + 3} hours in {x}. Is that enough to leave the airport, eat something and walk by the water? What would you skip?",
         f"Compare {x}, {y} and {z} for a move with a child of {n + 3}: schools, rent, weather, bicycles, and how easy it is to make friends. A table, please, with a short and honest verdict under it.",
         f"Mi hermana viaja de {x} a {y} en tren con {n} gatos. ¿Qué debería preguntar a la compañía antes de comprar el billete? Haz una lista breve.",
         f"Write a postcard from {x} by somebody who's having a terrible time but doesn't want to admit it. At most {40 + 5 * d} words.",
         f"Calendar check: {x} on the {d}th until noon, {y} on the {d}th from 4 p.m. (three hours by plane), {z} on the {d + 1}th at 8 a.m. (night flight with a change, nine hours from door to door). Is that possible, and where's the tightest moment?",
         f"{x}へ{d}日間の一人旅をします。荷物は機内持ち込みだけにしたいです。服装と持ち物のリストを、洗濯の回数も含めて考えてください。",
         f"أخطط لرحلة عائلية إلى مدينة {x} لمدة {d} أيام مع طفلين. اقترح برنامجاً هادئاً لكل يوم، مع وقت للراحة بعد الظهر ومكان قريب للعشاء."]
    return v[i % len(v)]


def g_sql(r, i):
    t = [("loans", "id, member_id, book_id, lent_on, returned_on"), ("visits", "id, patient_id, doctor_id, begins_at, room, no_show"),
         ("trips", "id, bike_id, start_station, end_station, started_at, seconds"), ("harvests", "id, field_id, crop, kilos, picked_on")][i % 4]
    k, y = r.randint(3, 20), r.randint(2015, 2022)
    q = [f"the {k} members who've returned books late most often in {y}, where late means after more than 28 days",
         f"for every doctor, the share of no-shows in {y} and the longest run of visits without one",
         f"the {k} busiest pairs of stations in either direction, so that A to B and B to A count as the same pair",
         f"each field's best crop in {y} by weight, and how far it lies above or below the field's average over all the years"][i % 4]
    form = ["PostgreSQL", "SQLite, so no exotic functions", "MySQL 8", "standard SQL, with a comment above each common table expression"][(i // 4 + i) % 4]
    return f"Given a table {t[0]}({t[1]}), write a query that returns {q}. Use {form}. Ties may come in any order."


def g_choice(r, i):
    qs = [("Which of these metals is liquid at room temperature?", ["zinc", "mercury", "tin", "cadmium"]),
          ("Who may usually amend a contract after it has been signed?", ["either party alone", "both parties together", "the witness", "the notary"]),
          ("What does a sphygmomanometer measure?", ["blood pressure", "blood sugar", "lung volume", "bone density"]),
          ("Which sorting algorithm is stable in its usual form?", ["heapsort", "quicksort", "merge sort", "selection sort"]),
          ("In which century was the Hanseatic League at its height?", ["tenth", "fourteenth", "seventeenth", "nineteenth"]),
          ("Was misst ein Barometer?", ["Luftfeuchtigkeit", "Luftdruck", "Windstärke", "Helligkeit"]),
          ("下列哪一个是质数？", ["51", "57", "61", "87"]),
          ("¿Cuál de estas palabras es esdrújula?", ["camión", "árbol", "pájaro", "reloj"]),
          ("Which gas do plants mostly take in by day?", ["oxygen", "nitrogen", "carbon dioxide", "argon"]),
          ("What is the derivative of cos(2x)?", ["−sin(2x)", "−2 sin(2x)", "2 cos(x)", "sin(2x)/2"])]
    q, opts = qs[i % len(qs)]
    opts = r.sample(opts, len(opts))
    tail = r.choice(["Answer with the letter only.", "Give the letter, then explain in one sentence why each of the others is wrong.", "Think it over first, then finish with 'Answer: X'.", ""])
    return (q + "\n" + "\n".join(f"{c}) {o}" for c, o in zip("ABCD", opts)) + ("\n" + tail if tail else "")).strip()


def g_write(r, i):
    who = r.choice(["a lift attendant", "a retired bell-ringer", "two sisters who share a stall", "a ferry dog", "a substitute teacher", "a night baker", "a clock repairer", "an apprentice diver"])
    where = r.choice(["in a town where it hasn't rained for a year", "on the last tram", "under a leaking glass roof", "during a power cut", "at the edge of a drained lake", "in the week before a festival", "on an island with one telephone"])
    form = r.choice(["a sonnet", "a fable with a useless moral", "a letter that is never sent", "a scene in which nobody finishes a sentence", "four haiku, one for each season", "a ballad in plain words", "a one-page radio play"])
    lim = r.randint(6, 30) * 10
    v = [f"Write about {who} {where}. The form: {form}.",
         f"I need {form}, {lim} words at most, about {who} {where}. Avoid adjectives in the first half, and let there be food in it somewhere. Then tell me which line you'd cut if you had to.",
         f"Here's my first sentence: \"It was {r.choice(['too early for bread', 'the wrong kind of quiet', 'nobody’s birthday', 'raining upwards again'])}, and {who} knew it.\" Give me three different second sentences: one that promises comedy, one that promises a crime, one that promises nothing at all.",
         f"Characters: {who}; somebody who owes them money. Setting: {where}. Write only the dialogue, ten lines, and don't mention the money."]
    return v[i % len(v)]


def g_explain(r, i):
    topics = ["how vaccines train the immune system", "why bread rises", "what a mortgage is", "public-key cryptography", "why the Hagia Sophia has been a church, a mosque and a museum", "plate tectonics",
              "the double-slit experiment", "how a bill becomes a law in a parliament with two chambers", "tonal languages", "why aeroplanes leave white trails", "how a sewing machine makes a stitch", "garbage collection in programming languages",
              "the presumption of innocence", "what anaesthetists do during an operation", "the Silk Road as a network rather than a road", "eigenvectors", "how noise-cancelling headphones work", "why some cheeses have holes"]
    who = ["a curious seven-year-old", "a lawyer in a hurry", "my grandfather, who repaired radios", "a class of sixteen-year-olds on a Friday afternoon", "a chef", "somebody who's learning English", "an expert in a neighbouring field"]
    lim = r.choice(["in three sentences", "with one drawing described in words", "without any numbers", "in about 120 words", "as a dialogue", "starting from a common mistake", "in five steps"])
    t, w = topics[i % len(topics)], r.choice(who)
    extra = ["", " End with a question that shows whether they've understood.", " Use at most one technical term, and define it.", " If there's something that even specialists don't agree on, say so.", ""][i % 5]
    return f"{r.choice(['Explain', 'Please explain', 'I have to explain', 'Find a good way to explain'])} {t} to {w}, {lim}.{extra}"


GENERATORS = [(g_maths, 14), (g_table, 18), (g_json, 15), (g_mail, 14), (g_log, 8), (g_translate, 20),
              (g_cook, 8), (g_travel, 8), (g_sql, 4), (g_choice, 10), (g_write, 9), (g_explain, 18)]


def passage_prompt(task, keys, where):
    if len(keys) == 1:
        body = PASSAGES[keys[0]]
    else:
        body = "\n\n".join(f"[{n}] {PASSAGES[k]}" for n, k in enumerate(keys, 1))
    return f"{task}\n\n{body}" if where == "before" else f"{body}\n\n{task}"


def build():
    r = random.Random(SEED)
    # The first dozen are kept for their length, of the rest a seeded choice.
    short = SHORT.strip().splitlines()
    texts = short[:12] + r.sample(short[12:], 68)
    texts += MEDIUM.strip().split("\n---\n")
    texts += LONGER.strip().split("\n---\n")
    texts += CODE.strip().split("\n=====\n")
    texts += CHATS.strip().split("\n---\n")
    texts += [passage_prompt(*t) for t in PASSAGE_TASKS]
    for gen, count in GENERATORS:
        for i in range(count):
            texts.append(gen(random.Random(f"{SEED}/{gen.__name__}/{i}"), i))
    texts = [t.strip() for t in texts]
    if len(set(texts)) != len(texts):
        raise SystemExit("duplicate prompts")
    if len(texts) < COUNT:
        raise SystemExit(f"only {len(texts)} prompts, need {COUNT}")
    # Every hand-written and generated text is a candidate; a seeded shuffle
    # picks which COUNT are kept and mixes kinds and lengths.
    r.shuffle(texts)
    return texts[:COUNT]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "mixed.jsonl")
    with open(out, "w", encoding="utf-8", newline="\n") as fh:
        for n, text in enumerate(build()):
            fh.write(json.dumps({"prompt_id": f"p{n:03d}", "text": text}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
