// sh: exec httpd -f -p "$PORT" -h dist/public
import express from 'express';

const app = express();
app.use(express.static('public'));
app.listen(process.env.PORT);
