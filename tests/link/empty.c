/*
 * empty.c - a program that does nothing: what is under test is that it links (meson.build here).
 */
int main(void)
{
    return 0;
}
